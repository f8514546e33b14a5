//! What the three companies of the demo have before they meet: an event, staff, customers.

use std::collections::BTreeMap;

use super::error::DemoError;

const EVENT: &str = include_str!("event.toml");
const STAFF: &str = include_str!("staff.csv");
/// Cedar's customers, as a file that it takes in.
pub const CUSTOMERS: &str = include_str!("customers.csv");
/// The tag of those whom Cedar asked about the launch.
pub const LAUNCH_TAG: &str = "launch:aurora-e9";
/// What the share is for, and what customers are asked for.
pub const PURPOSE: &str = "Invitation to the Aurora E9 launch";
/// The name of the share.
pub const SHARE: &str = "aurora-e9";

/// Acme's event, values as a person types them.
pub fn event() -> Result<BTreeMap<String, String>, DemoError> {
    toml::from_str(EVENT).map_err(|_| DemoError::Data("event.toml"))
}

/// Bright's people at the event: role and name.
pub fn staff() -> Result<BTreeMap<String, Vec<String>>, DemoError> {
    let bad = |_| DemoError::Data("staff.csv");
    let mut staff: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rows = csv::Reader::from_reader(STAFF.as_bytes());
    for row in rows.deserialize::<BTreeMap<String, String>>() {
        let mut row = row.map_err(bad)?;
        let mut cell = |heading: &str| row.remove(heading).ok_or(DemoError::Data("staff.csv"));
        staff.entry(cell("role")?).or_default().push(cell("name")?);
    }
    Ok(staff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_tells_the_story() {
        let event = event().unwrap();
        for field in ["title", "starts_at", "venue", "audience_brief", "budget", "notes"] {
            assert!(event.contains_key(field), "{field}");
        }
        assert_eq!(staff().unwrap().values().map(Vec::len).sum::<usize>(), 8);
        assert_eq!(CUSTOMERS.lines().count(), 301);
        assert_eq!(CUSTOMERS.matches(LAUNCH_TAG).count(), 40);
    }
}
