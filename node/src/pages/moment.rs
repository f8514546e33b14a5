//! Moments of an event as people read them: in the event's own time zone if that is known, else
//! in UTC, and always saying which.

use jiff::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::words::Lang;

const WEEKDAYS_ZH: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];

/// The time zone in which an event's times are shown.
#[derive(Debug, Clone)]
pub struct Zone {
    zone: TimeZone,
    name: String,
}

impl Zone {
    /// The zone of this name; UTC if there is none, or if the name is not known.
    pub fn named(name: Option<&str>) -> Self {
        let found = name.and_then(|name| Some((TimeZone::get(name).ok()?, name.to_owned())));
        let (zone, name) = found.unwrap_or((TimeZone::UTC, "UTC".to_owned()));
        Self { zone, name }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn at(&self, ms: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone()))
    }

    /// A moment as a program reads it, with the offset of the zone.
    pub fn machine(&self, ms: i64) -> String {
        self.at(ms).map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()).unwrap_or_default()
    }

    /// The day and the month with its year, for a calendar leaf.
    pub fn leaf(&self, ms: i64, lang: Lang) -> Option<(String, String)> {
        let at = self.at(ms)?;
        let month = match lang {
            Lang::En => at.strftime("%b %Y").to_string(),
            Lang::Zh => format!("{}年{}月", at.year(), at.month()),
        };
        Some((at.day().to_string(), month))
    }

    /// One moment, without the zone.
    pub fn moment(&self, ms: i64, lang: Lang) -> String {
        match self.at(ms) {
            Some(at) => format!("{} {}", day(&at, lang), at.strftime("%H:%M")),
            None => format!("{ms} ms"),
        }
    }

    /// From a beginning to an end, without the zone.
    pub fn span(&self, start: i64, end: Option<i64>, lang: Lang) -> String {
        match end.and_then(|end| Some((self.at(start)?, self.at(end)?))) {
            Some((start, end)) if start.date() == end.date() && end >= start => {
                let times = (start.strftime("%H:%M"), end.strftime("%H:%M"));
                format!("{} {}–{}", day(&start, lang), times.0, times.1)
            }
            Some(_) => {
                let end = end.unwrap_or(start);
                format!("{} – {}", self.moment(start, lang), self.moment(end, lang))
            }
            None => self.moment(start, lang),
        }
    }
}

fn day(at: &Zoned, lang: Lang) -> String {
    match lang {
        Lang::En => at.strftime("%a %-d %b %Y,").to_string(),
        Lang::Zh => {
            let weekday = usize::from(at.weekday().to_monday_zero_offset().unsigned_abs());
            let weekday = WEEKDAYS_ZH.get(weekday).copied().unwrap_or_default();
            format!("{}年{}月{}日 {weekday}", at.year(), at.month(), at.day())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_where_the_event_is() {
        let start = 1_805_335_200_000; // 2027-03-18T02:00:00Z
        let evening = start + 41_400_000;
        let next_day = start + 86_400_000;
        let far = i64::MAX;
        for (zone, end, lang, name, text) in [
            (
                Some("Asia/Shanghai"),
                Some(evening),
                Lang::En,
                "Asia/Shanghai",
                "Thu 18 Mar 2027, 10:00–21:30",
            ),
            (
                Some("Asia/Shanghai"),
                Some(evening),
                Lang::Zh,
                "Asia/Shanghai",
                "2027年3月18日 周四 10:00–21:30",
            ),
            (Some("Europe/Berlin"), None, Lang::En, "Europe/Berlin", "Thu 18 Mar 2027, 03:00"),
            (
                None,
                Some(next_day),
                Lang::En,
                "UTC",
                "Thu 18 Mar 2027, 02:00 – Fri 19 Mar 2027, 02:00",
            ),
            (Some("Mars/Olympus"), None, Lang::Zh, "UTC", "2027年3月18日 周四 02:00"),
            (None, Some(far), Lang::En, "UTC", "Thu 18 Mar 2027, 02:00"),
        ] {
            let zone = Zone::named(zone);
            assert_eq!((zone.name(), zone.span(start, end, lang)), (name, text.to_owned()));
        }
        let shanghai = Zone::named(Some("Asia/Shanghai"));
        assert_eq!(shanghai.machine(start), "2027-03-18T10:00:00+08:00");
        assert_eq!(shanghai.leaf(start, Lang::En), Some(("18".into(), "Mar 2027".into())));
        assert_eq!(shanghai.leaf(start, Lang::Zh), Some(("18".into(), "2027年3月".into())));
    }
}
