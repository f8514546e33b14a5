//! Tables for other programs: CSV (RFC 4180) whose cells no spreadsheet takes for a formula.

use super::Answer;
use super::problem::Problem;

/// The lines of a table, the headings first.
pub fn csv<R, C>(rows: impl IntoIterator<Item = R>) -> Answer<Vec<u8>>
where
    R: IntoIterator<Item = C>,
    C: AsRef<str>,
{
    let mut out = csv::Writer::from_writer(Vec::new());
    let fault = |_| Problem::Shape("the table could not be written");
    for row in rows {
        let cells = row.into_iter().map(|cell| tame(cell.as_ref()));
        out.write_record(cells).map_err(fault)?;
    }
    out.into_inner().map_err(|_| Problem::Shape("the table could not be written"))
}

/// A text that a spreadsheet would take for a formula is not one any more. Numbers are none.
fn tame(text: &str) -> String {
    let number = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || " +;.()-".contains(c));
    let formula = match text.strip_prefix(['+', '-']) {
        Some(rest) => !number(rest),
        None => text.starts_with(['=', '@', '\t', '\r']),
    };
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_becomes_a_text_and_a_number_stays_one() {
        let cells = ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "\tx", "a=b", "it, \"is\""];
        let numbers = ["+8613800138000", "+86 138; +1 602", "-3.5", "", "7", "0", "1"];
        let table = csv([&cells[..], &numbers[..]]).unwrap();
        assert_eq!(
            String::from_utf8(table).unwrap(),
            "'=1+1,'+cmd|' /C calc'!A0,'-x,'@SUM(A1),'\tx,a=b,\"it, \"\"is\"\"\"\n\
             +8613800138000,+86 138; +1 602,-3.5,,7,0,1\n"
        );
    }
}
