//! What waits for a person, with the command that settles it, and which partners have confirmed that
//! they deleted what they were asked to: the first thing on the first page.

use std::collections::BTreeMap;

use entente_protocol::id::OrgId;
use entente_protocol::inbox::Waiting;
use entente_protocol::receipt::Asked;
use maud::{Markup, html};

use super::words::{Lang, Words};
use crate::service::{Answer, Replica, inbox};

/// So many lines stand on the page; the command line has all.
const LINES: usize = 12;

/// One thing that waits.
struct Line {
    text: String,
    /// What settles it: each command with the word before it.
    commands: Vec<(&'static str, String)>,
}

/// What waits, and what was asked of partners.
pub struct Tasks {
    lines: Vec<Line>,
    more: usize,
    /// By the partner's name: how much it has confirmed, and how much it has not.
    deletions: BTreeMap<String, (usize, usize)>,
}

/// Reads it.
pub fn tasks(replica: &Replica, lang: Lang) -> Answer<Tasks> {
    let waiting = replica.inbox()?;
    let lines = waiting.iter().take(LINES).map(|of| line(replica, of, lang)).collect();
    let mut deletions: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let me = replica.me().org;
    for share in replica.shares()? {
        for asked in replica.receipts(&share.id)?.into_iter().filter(|one| one.author == me) {
            let name = replica.directory().name(&asked.org).to_owned();
            let (confirmed, pending) = deletions.entry(name).or_default();
            *if asked.done_at.is_some() { confirmed } else { pending } += 1;
        }
    }
    Ok(Tasks { lines, more: waiting.len().saturating_sub(LINES), deletions })
}

fn line(replica: &Replica, of: &Waiting, lang: Lang) -> Line {
    let english = inbox::line(replica, of);
    let text = match lang {
        Lang::En => english.text,
        Lang::Zh => in_chinese(replica, of),
    };
    Line { text, commands: commands(&english.verb, lang.words()) }
}

fn commands(verb: &str, words: &Words) -> Vec<(&'static str, String)> {
    let mut commands = Vec::new();
    for (at, part) in verb.split(", then ").enumerate() {
        for (or, command) in part.split(", or ").enumerate() {
            let before = match (at, or) {
                (0, 0) => "",
                (_, 0) => words.then,
                (_, _) => words.or,
            };
            commands.push((before, command.to_owned()));
        }
    }
    commands
}

fn in_chinese(replica: &Replica, of: &Waiting) -> String {
    let name = |org: &OrgId| replica.directory().name(org);
    let share = |id| replica.share_name(id).unwrap_or_default();
    match of {
        Waiting::Offer { name: share, by, .. } => format!("{}邀请您加入共享“{share}”", name(by)),
        Waiting::Approval { share: id, by, to, .. } => {
            format!("{}把“{}”的内容转授给{}，等待您批准", name(by), share(id), name(to))
        }
        Waiting::Pairing { org } => format!("{}请求成为合作伙伴，请电话核对验证码", name(org)),
        Waiting::Conflict { at, field } => format!("{} 的 {field} 有多个值", at.text()),
        Waiting::Rejected(late) => {
            let id = late.kind.id_text(&late.record);
            format!("{}未采纳您对 {id} 的 {} 的修改", name(&late.section), late.field)
        }
        Waiting::Receipt { share: id, receipt } => {
            let what = match receipt.asked {
                Asked::Revocation => "不再有权查看的内容",
                Asked::Erasure => "要求抹除的内容",
                Asked::Move => "不再与其共享的内容",
            };
            format!("{}的节点尚未确认已删除“{}”中{what}", name(&receipt.org), share(id))
        }
    }
}

/// What waits.
pub fn waiting(tasks: &Tasks, words: &Words) -> Markup {
    html! {
        @if !tasks.lines.is_empty() {
            section.waiting aria-labelledby="waiting" {
                h2 #waiting { (words.waiting) }
                ul.tasks {
                    @for line in &tasks.lines {
                        li {
                            p { bdi { (line.text) } }
                            @for (before, command) in &line.commands {
                                p.command { (before) " " code { (command) } }
                            }
                        }
                    }
                    @if tasks.more > 0 {
                        li { p.quiet { "+ " (tasks.more) } p { code { "entente inbox" } } }
                    }
                }
            }
        }
    }
}

/// Who has confirmed deletions, and how one has a customer forgotten.
pub fn deletions(tasks: &Tasks, words: &Words) -> Markup {
    html! {
        h2 #deletions { (words.deletions) }
        ul.beside {
            @for (name, (confirmed, pending)) in &tasks.deletions {
                li {
                    p.name { bdi { (name) } }
                    p.marks {
                        @if *confirmed > 0 {
                            span.status.good { (confirmed) " " (words.confirmed) }
                        }
                        @if *pending > 0 {
                            span.status.under-way { (pending) " " (words.unconfirmed_yet) }
                        }
                    }
                }
            }
        }
        p.quiet { (words.erase_hint) }
        pre { code { "entente customer erase " (words.customer_id) } }
    }
}
