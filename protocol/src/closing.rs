//! Shares that end by somebody's word: closed by their opener, left by anybody else.

use crate::id::ShareId;
use crate::keys;
use crate::policy::Proposal;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::vocabulary::Kind;

impl Replica {
    /// What closing a share that this org opened comes to: whatever was granted in it, by anybody,
    /// ends.
    pub fn closing(&self, share: &ShareId) -> Result<Proposal, Refusal> {
        self.check_open(share)?;
        let opener = self.grants.opener(share).unwrap_or(self.me.party.org);
        if opener != self.me.party.org {
            return Err(Refusal::NotOpener { org: self.directory.name(&opener).to_owned() });
        }
        let all = self.grants.iter().filter(|grant| grant.share == *share);
        let standing = all.filter(|grant| self.grants.in_force(&grant.id, self.now).is_ok());
        Ok(Proposal { end: standing.map(|grant| grant.id).collect(), ..Proposal::default() })
    }

    /// Closes a share that this org opened: one word ends what [`Replica::closing`] lists, and what
    /// others granted each other.
    pub fn close_share(&mut self, share: &ShareId) -> Result<(), Refusal> {
        self.closing(share)?;
        self.place_no_more(share)?;
        self.end_share(share)
    }

    /// What leaving a share comes to: everything of this org's is taken out, and whatever it granted
    /// there ends.
    pub fn leaving(&self, share: &ShareId) -> Result<Proposal, Refusal> {
        let me = self.me.party.org;
        match self.grants.opener(share) {
            None => return Err(Refusal::NotFound { what: "share", text: share.to_string() }),
            Some(opener) if opener == me => return Err(Refusal::IsOpener),
            Some(_) => {}
        }
        let mut take_out = Vec::new();
        for kind in Kind::ALL {
            take_out.extend(self.placed(share, kind)?);
        }
        let own = self.grants.iter().filter(|grant| grant.share == *share && grant.author == me);
        let standing = own.filter(|grant| !self.grants.revoked(&grant.id));
        let end = standing.map(|grant| grant.id).collect();
        Ok(Proposal { take_out, end, ..Proposal::default() })
    }

    /// Takes everything of this org's out of a share, and ends whatever it granted in it.
    pub fn leave_share(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let proposal = self.leaving(share)?;
        self.check_decides()?;
        self.place_no_more(share)?;
        self.change_rules(share, proposal)?;
        Ok(())
    }

    /// Ends standing selections for a share.
    fn place_no_more(&mut self, share: &ShareId) -> Result<(), Refusal> {
        for kind in Kind::ALL {
            self.remove(&keys::selection(share, kind))?;
        }
        Ok(())
    }
}
