//! Tables of plain text, with columns as wide as their widest cell is on a terminal.

use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";

/// Rows under headings.
#[derive(Debug, Clone, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell.into())).collect());
    }

    /// The text; `empty` where there is no row.
    pub fn text_or(&self, empty: &str) -> String {
        match self.rows.is_empty() {
            true => format!("{empty}\n"),
            false => self.text(),
        }
    }

    /// The text, one line a row.
    pub fn text(&self) -> String {
        let all = || std::iter::once(&self.headings).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|at| all().filter_map(|row| row.get(at)).map(|cell| width(cell)).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for row in all().filter(|row| !row.is_empty()) {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                line += cell;
                line += &" ".repeat(wide.saturating_sub(width(cell)));
                line += GAP;
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// How many columns of a terminal a text takes: Chinese letters take two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Line breaks and what could steer a terminal become blanks.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_straight_under_wide_letters() {
        let mut table = Table::new(["NAME", "CITY"]);
        table.row(["王芳", "上海"]);
        table.row(["Ana", "Lis\nbon"]);
        assert_eq!(table.text(), "NAME  CITY\n王芳  上海\nAna   Lis bon\n");
        assert_eq!(Table::new(["A"]).text_or("nothing"), "nothing\n");
    }
}
