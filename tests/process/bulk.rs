//! Many records at once: that the time is right and the memory bounded, with generous limits that
//! hold for a build without optimisation on a busy machine.

use std::fs;
use std::time::{Duration, Instant};

use super::node::{Org, len, pair};

const CUSTOMERS: usize = 10_000;
const TIME_MAX: Duration = Duration::from_secs(60);
const MEMORY_MAX_KIB: u64 = 400 * 1024;

/// The most memory a process has had so far, in KiB.
fn peak_kib(org: &Org) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", org.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn csv() -> String {
    let mut csv =
        String::from("external_id,name,org_name,title,emails,phones,region,tags,language,source\n");
    for n in 0..CUSTOMERS {
        csv += &format!(
            "crm:{n},Guest {n},Firm {},Manager,guest{n}@example.com,+8613{n:09},北京,vip;press,zh-CN,fair\n",
            n / 10
        );
    }
    csv
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_customers_reach_a_fresh_partner_in_seconds_with_bounded_memory() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    acme.id_of("share open tour");
    acme.ok("--yes share grant tour bright-agency --kind customer --fields name,org_name,phones");
    let file = acme.file("many.csv", &csv());
    let begun = Instant::now();
    let imported = acme.ok(&format!("customer import {file} --consent form:fair"));
    let import = begun.elapsed();
    assert_eq!(imported["created"], CUSTOMERS);
    let placed = acme.ok("--yes share add tour --kind customer");
    let place = begun.elapsed() - import;
    assert_eq!((&placed["published"], len(&placed["held_back"])), (&CUSTOMERS.into(), 0));
    acme.settle();
    let sync = begun.elapsed() - import - place;
    let seen = bright.ok(&format!("customer list --limit {}", CUSTOMERS * 2));
    assert_eq!(len(&seen), CUSTOMERS);
    let peaks = [peak_kib(&acme), peak_kib(&bright)];
    println!(
        "{CUSTOMERS} customers: imported in {import:.1?}, placed in {place:.1?}, \
         confirmed {sync:.1?} later; peaks of {} and {} MiB",
        peaks[0] / 1024,
        peaks[1] / 1024
    );
    assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
    assert!(peaks.iter().all(|peak| *peak < MEMORY_MAX_KIB), "{peaks:?} KiB");
}
