//! The document that a company hands to a customer: who was given what, in plain sentences, as one
//! page that stands alone and prints well. No scripts, nothing to load.

use entente_protocol::vocabulary::{self, CUSTOM_PREFIX, Kind};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::moment::Zone;
use super::words::Lang;
use crate::api::Org;
use crate::api::audit::{Disclosure, Way};
use crate::service::disclosure::Report;

mod words;

const STYLE: &str = "\
:root{color-scheme:light}body{margin:0 auto;max-width:44rem;padding:2.5rem 1.5rem;color:#1a2421;\
font:1rem/1.6 system-ui,'Noto Sans','PingFang SC','Microsoft YaHei',sans-serif}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}h2{font-size:1.15rem;margin:0 0 .4rem}\
section{border-top:1px solid #c9d3d0;padding:1.2rem 0;break-inside:avoid}p{margin:.4rem 0}\
ul{margin:.4rem 0;padding-left:1.2rem}.small{color:#52605c;font-size:.85rem;overflow-wrap:anywhere}\
@media print{body{max-width:none;padding:0;font-size:11pt}}";

/// The page.
pub fn page(report: &Report, lang: Lang) -> Markup {
    let at = moment(report.at as i64, lang);
    let (files, given): (Vec<&Disclosure>, Vec<&Disclosure>) =
        report.items.iter().partition(|item| item.way == Way::Exported);
    html! {
        (DOCTYPE)
        html lang=(lang.words().tag) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (lang.report_title(&report.company)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (lang.report_title(&report.company)) }
                p { (lang.report_about(&report.company, report.name.as_deref())) }
                @if given.is_empty() { p { (lang.report_nobody(&report.company)) } }
                @else { p { (lang.report_intro(&report.company)) } }
                @for item in given { (entry(&report.company, item, lang)) }
                @for file in files {
                    section { p { (lang.report_file(
                        &report.company,
                        file.format.as_deref().unwrap_or_default(),
                        &when(file.first_at.as_deref(), lang),
                    )) } }
                }
                section {
                    p { (lang.report_rights(&report.company)) }
                    p.small { (lang.report_reference(&report.customer, &at)) }
                }
            }
        }
    }
}

fn entry(company: &str, item: &Disclosure, lang: Lang) -> Markup {
    let name = item.name.as_deref().unwrap_or_default();
    let carriers = names(&item.carriers, lang);
    let (first, last) = (when(item.first_at.as_deref(), lang), when(item.last_at.as_deref(), lang));
    html! {
        section {
            h2 { bdi { (name) } }
            p { (lang.report_way(item.way, company, name, &carriers, &first, &last)) }
            @if let Some(purpose) = item.purpose.as_deref().filter(|text| !text.is_empty()) {
                p { (lang.report_purpose(purpose)) }
            }
            @if let Some(basis) = &item.basis { p { (lang.report_basis(basis)) } }
            @if !item.via.is_empty() {
                p { (lang.report_via(company, &names(&item.via, lang), name)) }
            }
            @for kind in Kind::ALL {
                @let labels = labels(item, kind, lang);
                @if !labels.is_empty() {
                    p { (lang.report_fields(kind)) }
                    ul { @for label in labels { li { (label) } } }
                }
            }
            @if let Some(grant) = &item.grant { p.small { (lang.report_grant(grant)) } }
        }
    }
}

/// What a form calls the fields of one kind that were given.
fn labels(item: &Disclosure, kind: Kind, lang: Lang) -> Vec<String> {
    let of_kind = item.fields.iter().filter_map(|field| {
        let (of, name) = field.split_once('.')?;
        (of == kind.name()).then_some(name)
    });
    let label = |name: &str| match vocabulary::field(kind, name) {
        Some(field) => lang.label(field).to_owned(),
        None => name.strip_prefix(CUSTOM_PREFIX).unwrap_or(name).replace('_', " "),
    };
    of_kind.map(label).collect()
}

fn names(orgs: &[Org], lang: Lang) -> String {
    let names: Vec<&str> = orgs.iter().map(|org| org.name.as_str()).collect();
    names.join(match lang {
        Lang::En => ", ",
        Lang::Zh => "、",
    })
}

fn moment(ms: i64, lang: Lang) -> String {
    format!("{} UTC", Zone::named(None).moment(ms, lang))
}

fn when(at: Option<&str>, lang: Lang) -> String {
    let at: Option<Timestamp> = at.and_then(|at| at.parse().ok());
    at.map(|at| moment(at.as_millisecond(), lang)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(way: Way) -> Disclosure {
        let org = |name: &str| Org { org: "org_x".into(), name: name.into() };
        Disclosure {
            org: Some("org_b".into()),
            name: Some("Bright <b>Agency".into()),
            share: Some("shr_x".into()),
            share_name: Some("launch".into()),
            purpose: Some("Spring launch".into()),
            fields: vec!["customer.name".into(), "participation.status".into()],
            first_at: Some("2027-03-01T01:00:00Z".into()),
            last_at: Some("2027-03-02T01:00:00Z".into()),
            grant: Some("grt_x".into()),
            basis: Some("form".into()),
            way,
            via: vec![org("Cedar")],
            carriers: vec![org("Delta")],
            format: Some("csv".into()),
        }
    }

    fn report(items: Vec<Disclosure>) -> Report {
        Report {
            company: "Acme Motors".into(),
            customer: "cus_x".into(),
            name: Some("Ana".into()),
            at: 1_805_335_200_000,
            items,
        }
    }

    #[test]
    fn the_document_says_who_what_why_and_when_in_both_languages_without_inner_words() {
        let ways = [Way::Sent, Way::Reported, Way::Possible, Way::NotYet, Way::Exported];
        for lang in [Lang::En, Lang::Zh] {
            let page = page(&report(ways.map(item).to_vec()), lang).into_string();
            for said in
                ["Acme Motors", "Ana", "Bright &lt;b&gt;Agency", "Spring launch", "cus_x", "grt_x"]
            {
                assert!(page.contains(said), "{lang:?} {said}: {page}");
            }
            for (kind, field) in [(Kind::Customer, "name"), (Kind::Participation, "status")] {
                let label = lang.label(vocabulary::field(kind, field).unwrap());
                assert!(page.contains(label), "{lang:?} {label}");
            }
            let inner =
                ["compartment", "facet", "bundle", "epoch", "admission", "replica", "<script"];
            let lower = page.to_lowercase();
            assert_eq!(inner.iter().find(|word| lower.contains(**word)), None);
        }
        let english = page(&report(vec![item(Way::Sent)]), Lang::En).into_string();
        assert!(english.contains("Mon 1 Mar 2027, 01:00 UTC"), "{english}");
    }

    #[test]
    fn the_document_of_somebody_who_was_given_to_nobody_says_so() {
        let english = page(&report(Vec::new()), Lang::En).into_string();
        assert!(english.contains("has given nobody any data about you"), "{english}");
        let mut gone = report(Vec::new());
        gone.name = None;
        assert!(!page(&gone, Lang::Zh).into_string().contains("Ana"));
    }
}
