//! The audit log in words that people read: what was sent to whom, what was said.

use entente_protocol::audit::{Event, Line};
use entente_protocol::id::{CompartmentId, GrantId, OrgId, ShareId, StatementId};
use entente_protocol::statement::{Body, Scope};
use entente_protocol::vocabulary::Kind;

use super::{Answer, Problem, Replica, shown, when};
use crate::api::audit::{AuditLine, AuditParams, AuditPart};

/// A part of the log, newest first.
#[derive(Debug)]
pub struct Part {
    /// The lines.
    pub items: Vec<AuditLine>,
    /// The cursor of the next part.
    pub next: Option<String>,
}

/// The newest lines before the cursor.
pub fn lines(replica: &mut Replica, params: &AuditParams) -> Answer<Part> {
    let partner = match &params.partner {
        Some(name) => Some(replica.find_partner(name)?),
        None => None,
    };
    let before = match &params.cursor {
        Some(cursor) => Some(cursor.parse().map_err(|_| Problem::Shape("this is no cursor"))?),
        None => None,
    };
    let limit = params.limit.unwrap_or(crate::api::DEFAULT_LIMIT);
    let fits = |line: &Line| partner.is_none_or(|org| concerned(replica, line) == Some(org));
    let (lines, next) = replica.audit_lines(before, limit, fits)?;
    let items = lines.iter().map(|line| shown_line(replica, line)).collect();
    Ok(Part { items, next: next.map(|number| number.to_string()) })
}

/// The partner that a line concerns.
fn concerned(replica: &Replica, line: &Line) -> Option<OrgId> {
    let audience = |grant: &GrantId| replica.grants().audience(grant);
    let org = match &line.event {
        Event::Sent { to, .. } => Some(*to),
        Event::Reported { by, .. } => Some(*by),
        Event::Said { statement } => match replica.statement(statement)?.body() {
            Body::Grant { to, .. } => Some(to.org),
            Body::Admit { grant, .. } | Body::Revoke { grant, .. } => audience(grant),
            Body::Erase { only_for, .. } => only_for.as_ref().and_then(audience),
            Body::Receipt { of, .. } => replica.statement(of).map(|asked| asked.author()),
            Body::Profile { .. }
            | Body::Certificate { .. }
            | Body::Rotation { .. }
            | Body::EndNode { .. }
            | Body::OpenShare { .. }
            | Body::OpenCompartment { .. }
            | Body::Retire { .. }
            | Body::Cut { .. } => None,
        },
        Event::Exported { .. } | Event::Deleted { .. } | Event::Consent { .. } => None,
    };
    org.filter(|org| *org != replica.me().org)
}

fn shown_line(replica: &Replica, line: &Line) -> AuditLine {
    let mut out = AuditLine {
        number: line.number,
        at: when::show(line.at),
        what: String::new(),
        partner: concerned(replica, line).map(|org| shown::org(replica, &org)),
        text: String::new(),
        parts: Vec::new(),
        reference: None,
        records: Vec::new(),
    };
    let name = out.partner.as_ref().map(|org| org.name.clone()).unwrap_or_default();
    let (what, text) = match &line.event {
        Event::Sent { ranges, .. } => {
            for range in ranges {
                let Some(part) = part(replica, &range.compartment, Some(range.changes)) else {
                    continue;
                };
                let same = |known: &&mut AuditPart| {
                    (&known.share, &known.section, &known.kind, &known.fields)
                        == (&part.share, &part.section, &part.kind, &part.fields)
                };
                match out.parts.iter_mut().find(same) {
                    Some(known) => {
                        known.changes = Some(known.changes.unwrap_or(0) + range.changes);
                    }
                    None => out.parts.push(part),
                }
            }
            ("sent", format!("sent to {name}: {}", in_words(&out.parts)))
        }
        Event::Reported { compartment, .. } => {
            out.parts.extend(part(replica, compartment, None));
            let held = in_words(&out.parts);
            ("reported", format!("{name}'s node reports that it holds {held}"))
        }
        Event::Said { statement } => {
            out.reference = Some(statement.to_string());
            ("said", said(replica, statement, &name))
        }
        Event::Exported { kind, format, records } => {
            out.records = records.iter().map(|record| kind.id_text(record)).collect();
            ("exported", format!("wrote {} into a {format} file", count(records.len(), *kind)))
        }
        Event::Deleted { kind, record } => {
            out.records = vec![kind.id_text(record)];
            ("deleted", format!("deleted {} {}", kind.name(), kind.id_text(record)))
        }
        Event::Consent { customer } => {
            let id = Kind::Customer.id_text(customer);
            out.records = vec![id.clone()];
            ("consent", format!("noted the consent of {id} anew"))
        }
    };
    (out.what, out.text) = (what.to_owned(), text);
    out
}

/// What stands behind a statement, for people.
fn said(replica: &Replica, id: &StatementId, name: &str) -> String {
    let Some(statement) = replica.statement(id) else { return "said something".to_owned() };
    let records = |compartment: &CompartmentId| {
        in_words(&part(replica, compartment, None).into_iter().collect::<Vec<_>>())
    };
    match statement.body() {
        Body::Profile { .. } => "told partners where this company can be reached".to_owned(),
        Body::Certificate { .. } => "certified a node of this company".to_owned(),
        Body::Rotation { .. } => "changed the key of this company".to_owned(),
        Body::EndNode { .. } => "ended a node of this company".to_owned(),
        Body::OpenShare { name, .. } => format!("opened the share {name}"),
        Body::OpenCompartment { .. } => {
            format!("began to keep apart what the same partners see: {}", records(&(*id).into()))
        }
        Body::Admit { compartment, .. } if name.is_empty() => {
            format!("began to publish {}", records(compartment))
        }
        Body::Admit { compartment, .. } => format!("let {name} have {}", records(compartment)),
        Body::Retire { compartment, .. } => {
            format!("put something new in the place of {}", records(compartment))
        }
        Body::Grant { share, scope, .. } => {
            format!("granted {name} {} in {}", scope_in_words(scope), share_name(replica, share))
        }
        Body::Revoke { .. } => format!("ended a grant to {name}"),
        Body::Cut { compartment, .. } => {
            format!("said what still counts of {} after an end", records(compartment))
        }
        Body::Erase { compartment, records: erased, only_for: None, .. } => {
            format!("took {} records out of {}", erased.len(), records(compartment))
        }
        Body::Erase { compartment, records: erased, .. } => {
            format!("told {name} to delete {} records of {}", erased.len(), records(compartment))
        }
        Body::Receipt { .. } => format!("reported to {name} that it was done as asked"),
    }
}

fn scope_in_words(scope: &Scope) -> String {
    match scope {
        Scope::Fields { kind, fields, edit, keep } => {
            let right = if *edit { "to edit" } else { "to read" };
            let keep = if *keep { " and to keep" } else { "" };
            format!("{right}{keep} {} ({})", kind.plural(), fields.join(", "))
        }
        Scope::Contribute { kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.plural()).collect();
            format!("to add {}", kinds.join(", "))
        }
    }
}

fn part(replica: &Replica, id: &CompartmentId, changes: Option<u64>) -> Option<AuditPart> {
    let opening = replica.opening(id)?;
    let share = opening.share?;
    Some(AuditPart {
        share: share.to_string(),
        share_name: share_name(replica, &share),
        section: shown::org(replica, &opening.section),
        kind: opening.kind.name().to_owned(),
        fields: opening.schema.fields().iter().map(|field| field.name.clone()).collect(),
        changes,
    })
}

fn share_name(replica: &Replica, share: &ShareId) -> String {
    replica.share_name(share).map_or_else(|| share.to_string(), str::to_owned)
}

fn in_words(parts: &[AuditPart]) -> String {
    let words = parts.iter().map(|part| {
        let plural = Kind::from_name(&part.kind).map_or("records", Kind::plural);
        let many = match part.changes {
            Some(1) => format!("1 change of {plural}"),
            Some(changes) => format!("{changes} changes of {plural}"),
            None => plural.to_owned(),
        };
        format!("{many} ({}) in {}", part.fields.join(", "), part.share_name)
    });
    words.collect::<Vec<_>>().join("; ")
}

fn count(records: usize, kind: Kind) -> String {
    match records {
        1 => format!("1 {}", kind.name()),
        more => format!("{more} {}", kind.plural()),
    }
}
