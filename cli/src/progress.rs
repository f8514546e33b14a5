//! A bar for long work: on a terminal with rate and remaining time, otherwise nothing.

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left";

/// Draws how far some work has come, on the error channel, if that is a terminal.
pub fn bar(what: &'static str) -> impl FnMut(u64, Option<u64>) {
    let bar = ProgressBar::new(0).with_message(what);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    let finish = Finish(bar);
    move |done, total| {
        if let Some(total) = total {
            finish.0.set_length(total);
        }
        finish.0.set_position(done);
    }
}

/// Takes the bar away when the work is over, however it ends.
struct Finish(ProgressBar);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
