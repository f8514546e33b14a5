//! Waiting for a stated condition with a deadline, and noticing at once that somebody has had
//! enough. The only place of the demo that lets time pass.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::DemoError;
use crate::command::run::stop_signal;
use crate::error::CliError;

const POLL: Duration = Duration::from_millis(10);

/// Waits, until it is interrupted for good.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    interrupted: Arc<(Mutex<bool>, Condvar)>,
}

impl Waiting {
    /// From now on, an interruption ends every wait instead of the process.
    pub fn until_interrupted() -> io::Result<Self> {
        let waiting = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stopped = {
            let _inside = runtime.enter();
            stop_signal()?
        };
        let theirs = waiting.clone();
        std::thread::spawn(move || {
            runtime.block_on(stopped);
            let (interrupted, changed) = &*theirs.interrupted;
            *interrupted.lock().unwrap_or_else(PoisonError::into_inner) = true;
            changed.notify_all();
        });
        Ok(waiting)
    }

    /// Fails once somebody has interrupted.
    pub fn check(&self) -> Result<(), DemoError> {
        self.pause(Duration::ZERO)
    }

    /// Waits for the interruption.
    pub fn for_interruption(&self) {
        while self.pause(Duration::from_secs(3600)).is_ok() {}
    }

    /// Looks again and again until there is something to see; how long that took.
    pub fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut() -> Result<Option<T>, CliError>,
    ) -> Result<(T, Duration), CliError> {
        let begin = Instant::now();
        loop {
            if let Some(seen) = look()? {
                return Ok((seen, begin.elapsed()));
            }
            if begin.elapsed() > deadline {
                let seconds = deadline.as_secs();
                return Err(DemoError::Late { what: what.to_owned(), seconds }.into());
            }
            self.pause(POLL)?;
        }
    }

    fn pause(&self, at_most: Duration) -> Result<(), DemoError> {
        let (interrupted, changed) = &*self.interrupted;
        let lock = interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(lock, at_most, |interrupted| !*interrupted);
        match *waited.unwrap_or_else(PoisonError::into_inner).0 {
            true => Err(DemoError::Interrupted),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_true_ends_at_the_deadline_and_says_what_it_was() {
        let waiting = Waiting::default();
        let mut looks = 0;
        let seen = waiting.until("the third look", Duration::from_secs(60), || {
            looks += 1;
            Ok((looks == 3).then_some("seen"))
        });
        assert_eq!(seen.unwrap().0, "seen");
        let late = waiting.until("a miracle", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(late.to_string(), "a miracle did not happen within 0 s");
        *waiting.interrupted.0.lock().unwrap() = true;
        assert!(matches!(waiting.check(), Err(DemoError::Interrupted)));
    }
}
