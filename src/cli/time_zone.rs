//! The user's time zone: that of `TZ`, or else the system's.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of the times that are printed.
pub(super) struct LocalZone {
    zone: TimeZone,
    /// Why it is UTC, where `TZ` asks for something else.
    pub(super) problem: Option<String>,
}

impl LocalZone {
    pub(super) fn find() -> LocalZone {
        match (TimeZone::try_system(), std::env::var_os("TZ")) {
            (Ok(zone), _) => LocalZone { zone, problem: None },
            // As in the C library, a machine without a setting is in UTC.
            (Err(_), None) => LocalZone { zone: TimeZone::UTC, problem: None },
            (Err(_), Some(set)) => {
                let set = set.to_string_lossy();
                let problem = format!("TZ={set} is no known time zone, such as Europe/Berlin; times are in UTC");
                LocalZone { zone: TimeZone::UTC, problem: Some(problem) }
            }
        }
    }

    /// A time to the minute: `2026-11-26 18:17`.
    pub(super) fn minute(&self, time: SystemTime) -> Option<String> {
        let time = Timestamp::try_from(time).ok()?.to_zoned(self.zone.clone());
        Some(time.strftime("%Y-%m-%d %H:%M").to_string())
    }

    /// Its name and offset: `Asia/Kolkata (+05:30)`.
    pub(super) fn name(&self) -> String {
        let offset = Timestamp::now().to_zoned(self.zone.clone()).strftime("%:z").to_string();
        match self.zone.iana_name() {
            Some(name) => format!("{name} ({offset})"),
            None => offset,
        }
    }
}
