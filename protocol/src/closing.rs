//! Shares that end by somebody's word: closed by their opener, left by anybody else.

use crate::id::ShareId;
use crate::keys;
use crate::refusal::Refusal;
use crate::replica::Replica;
use crate::vocabulary::Kind;

impl Replica {
    /// Closes a share that this org opened: whatever was granted in it, by anybody, ends.
    pub fn close_share(&mut self, share: &ShareId) -> Result<(), Refusal> {
        self.check_open(share)?;
        let opener = self.grants.opener(share).unwrap_or(self.me.party.org);
        if opener != self.me.party.org {
            return Err(Refusal::NotOpener { org: self.directory.name(&opener).to_owned() });
        }
        self.place_no_more(share)?;
        self.end_share(share)
    }

    /// Takes everything of this org's out of a share, and ends whatever it granted in it.
    pub fn leave_share(&mut self, share: &ShareId) -> Result<(), Refusal> {
        let me = self.me.party.org;
        match self.grants.opener(share) {
            None => return Err(Refusal::NotFound { what: "share", text: share.to_string() }),
            Some(opener) if opener == me => return Err(Refusal::IsOpener),
            Some(_) => {}
        }
        self.place_no_more(share)?;
        for kind in Kind::ALL {
            let placed = self.placed(share, kind)?;
            self.withdraw(share, &placed)?;
        }
        let own = self.grants.iter().filter(|grant| grant.share == *share && grant.author == me);
        let standing = own.filter(|grant| !self.grants.revoked(&grant.id));
        let ids: Vec<_> = standing.map(|grant| grant.id).collect();
        self.revoke(&ids, crate::deadline::ENDED)?;
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
