//! The three rosters: the same people, as each company sees them. Side by side where the terminal
//! is wide enough, one under another where it is not.

use console::Style;
use entente_node::api::record::RosterRow;
use serde::Serialize;
use serde_json::Value as Json;

use super::play::name_of;
use crate::output::{EMPTY, count, value};
use crate::table::{Table, width};

const LOCK: &str = "🔒";
const BETWEEN: &str = "  │  ";
const NAME_MAX: usize = 17;
const COMPANY_MAX: usize = 21;
const GUESTS: usize = 7;
const STAFF: usize = 2;

/// What one company sees.
#[derive(Debug, Serialize)]
pub struct Roster {
    /// The company.
    pub name: &'static str,
    /// Its rows.
    pub rows: Vec<RosterRow>,
}

/// The first rows of all of them; a row is the same person everywhere.
pub fn text(rosters: &[Roster], columns: usize) -> String {
    let Some(complete) = rosters.first() else { return String::new() };
    let guests = |row: &&RosterRow| row.customer.id.is_some();
    let attended = |row: &&RosterRow| row.status.as_deref() == Some("attended");
    let all = || complete.rows.iter();
    let shown: Vec<&RosterRow> = all()
        .filter(attended)
        .chain(all().filter(guests).filter(|row| !attended(row)))
        .take(GUESTS)
        .chain(all().filter(|row| !guests(row)).take(STAFF))
        .collect();
    let blocks: Vec<Vec<String>> = rosters.iter().map(|roster| block(roster, &shown)).collect();
    let wide = |block: &Vec<String>| block.iter().map(|line| width(line)).max().unwrap_or_default();
    let widths: Vec<usize> = blocks.iter().map(wide).collect();
    let whole = widths.iter().sum::<usize>() + width(BETWEEN) * widths.len().saturating_sub(1);
    match whole <= columns {
        true => beside(rosters, &blocks, &widths),
        false => beneath(rosters, &blocks),
    }
}

fn heading(roster: &Roster) -> String {
    format!("What {} sees ({})", roster.name, count(roster.rows.len() as u64, "row"))
}

fn bold(text: &str) -> String {
    Style::new().bold().apply_to(text).to_string()
}

fn beside(rosters: &[Roster], blocks: &[Vec<String>], widths: &[usize]) -> String {
    let padded = |text: &str, wide: usize| " ".repeat(wide.saturating_sub(width(text)));
    let headings: Vec<String> = rosters.iter().map(heading).collect();
    let mut text = String::new();
    let line = headings.iter().zip(widths).map(|(one, wide)| bold(one) + &padded(one, *wide));
    text += line.collect::<Vec<_>>().join(BETWEEN).trim_end();
    text.push('\n');
    // Under the rows stands how many more there are, if anywhere.
    let full = |block: &Vec<String>| block.iter().rposition(|line| !line.is_empty());
    let lines = blocks.iter().filter_map(full).max().map_or(0, |last| last + 1);
    for at in 0..lines {
        let cells = blocks.iter().zip(widths).map(|(block, wide)| {
            let cell = block.get(at).map_or("", String::as_str);
            cell.to_owned() + &padded(cell, *wide)
        });
        text += cells.collect::<Vec<_>>().join(BETWEEN).trim_end();
        text.push('\n');
    }
    text
}

fn beneath(rosters: &[Roster], blocks: &[Vec<String>]) -> String {
    let one = |(roster, block): (&Roster, &Vec<String>)| {
        let lines = block.iter().filter(|line| !line.trim().is_empty());
        let lines: Vec<&str> = lines.map(String::as_str).collect();
        format!("{}\n{}\n", bold(&heading(roster)), lines.join("\n"))
    };
    rosters.iter().zip(blocks).map(one).collect::<Vec<_>>().join("\n")
}

/// The lines of one company's table, and one that says how many more there are.
fn block(roster: &Roster, shown: &[&RosterRow]) -> Vec<String> {
    let mut table = Table::new(["NAME", "COMPANY", "PHONE", "STATUS"]);
    let mut here = 0;
    for one in shown {
        match roster.rows.iter().find(|row| is_same(row, one)) {
            Some(row) => {
                here += 1;
                table.row(cells(row));
            }
            None => table.row(["", "", "", ""]),
        }
    }
    let mut lines: Vec<String> = table.text().lines().map(str::to_owned).collect();
    lines.push(match roster.rows.len() - here {
        0 => String::new(),
        more => format!("… and {more} more"),
    });
    lines
}

/// Whether two companies' rows are about one person. A company's own record has an id of its own
/// there, and its name with it.
fn is_same(one: &RosterRow, other: &RosterRow) -> bool {
    let name = name_of(one);
    one.participation == other.participation || (name.is_some() && name == name_of(other))
}

fn cells(row: &RosterRow) -> [String; 4] {
    let customer = &row.customer;
    let cell = |field: &str| match customer.fields.get(field) {
        Some(Json::Array(items)) => items.first().map_or(EMPTY.to_owned(), value),
        Some(json) => value(json),
        None if customer.withheld.iter().any(|name| name == field) => LOCK.to_owned(),
        None => EMPTY.to_owned(),
    };
    let company = match customer.id {
        Some(_) => cell("org_name"),
        None => row.contributed_by.name.clone(),
    };
    // Everybody in the demo has a status: without one it is not shared.
    let status = row.status.clone().unwrap_or_else(|| LOCK.to_owned());
    [cut(&cell("name"), NAME_MAX), cut(&company, COMPANY_MAX), cell("phones"), status]
}

/// A text of at most so many columns.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if width(&cut) + width(letter.encode_utf8(&mut [0; 4])) + 1 > columns {
            break;
        }
        cut.push(letter);
    }
    cut.trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use entente_node::api::Org;
    use entente_node::api::record::RosterCustomer;

    use super::*;

    fn row(name: Option<&str>, status: Option<&str>) -> RosterRow {
        let named = name.map(|name| ("name".to_owned(), Json::from(name)));
        let company = ("org_name".to_owned(), Json::from("蓝港航运"));
        RosterRow {
            participation: "par_1".into(),
            status: status.map(str::to_owned),
            role: None,
            contributed_by: Org { org: "org_c".into(), name: "Cedar Consulting".into() },
            via: Vec::new(),
            customer: RosterCustomer {
                id: Some("cus_1".into()),
                fields: BTreeMap::from_iter(named.into_iter().chain([company])),
                withheld: if name.is_some() {
                    vec![]
                } else {
                    vec!["name".into(), "phones".into()]
                },
            },
        }
    }

    #[test]
    fn one_row_stands_beside_itself_as_each_company_sees_it() {
        let rosters = [
            Roster { name: "Acme", rows: vec![row(Some("王芳"), Some("attended"))] },
            Roster { name: "Bright", rows: vec![row(None, None)] },
            Roster { name: "Cedar", rows: vec![] },
        ];
        assert_eq!(
            text(&rosters, 200),
            "What Acme sees (1 row)           │  What Bright sees (1 row)       │  What Cedar sees (0 rows)\n\
             NAME  COMPANY   PHONE  STATUS    │  NAME  COMPANY   PHONE  STATUS  │  NAME  COMPANY  PHONE  STATUS\n\
             王芳  蓝港航运  –      attended  │  🔒    蓝港航运  🔒     🔒      │\n"
        );
        let narrow = text(&rosters, 60);
        assert!(
            narrow.contains("NAME  COMPANY   PHONE  STATUS\n🔒    蓝港航运  🔒     🔒\n"),
            "{narrow}"
        );
        assert!(narrow.lines().all(|line| width(line) <= 60));
        assert_eq!(cut("德勤管理咨询", 7), "德勤管…");
    }
}
