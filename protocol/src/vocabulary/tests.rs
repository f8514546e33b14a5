//! What the table must hold, and that every type goes through text and JSON and back.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;
use crate::value::Value;

const EXPECTED: [(Kind, &str); 5] = [
    (
        Kind::Event,
        "title summary kind status starts_at ends_at timezone venue address region online_url \
         organiser co_organisers capacity registration_url language audience_brief target_tags \
         tags budget notes external_ids",
    ),
    (
        Kind::Customer,
        "type name family_name given_name org_name org_legal_name org_code industry website title \
         department emails phones channels address region language gender birth_date age_band \
         education interests lifecycle tags source consent do_not_contact owner_user remark \
         external_ids",
    ),
    (
        Kind::Participation,
        "event customer staff_name contributed_by via role status registered_at checked_in_at \
         guests fit_reason ticket answers",
    ),
    (
        Kind::Interaction,
        "customer event actor_org at channel direction type counts_to_cap outcome actor_user note",
    ),
    (
        Kind::Followup,
        "customer event participation assigned_org stage due_at closed_at credit value_band value \
         assignee lost_reason",
    ),
];

fn org() -> String {
    crate::id::OrgId([7; 32]).to_string()
}

fn id(kind: Kind) -> String {
    kind.id_text(&RecordId([9; 16]))
}

#[test]
fn every_kind_has_the_fields_of_the_vocabulary() {
    for (kind, names) in EXPECTED {
        let found: Vec<_> = fields(kind).iter().map(|field| field.name).collect();
        assert_eq!(found, names.split_whitespace().collect::<Vec<_>>(), "{kind}");
        assert!(fields(kind).iter().all(|field| field.kind == kind));
    }
    assert!(fields::FIELDS.is_sorted_by_key(|field| field.kind));
}

#[test]
fn exactly_the_internal_fields_cannot_be_granted() {
    let mut internal = Vec::new();
    for field in fields::FIELDS {
        match grantable(field.kind, field.name) {
            Ok(()) => assert_ne!(field.class, Class::S5),
            Err(error) => {
                assert!(matches!(error, GrantableError::Internal { .. }));
                internal.push(format!("{}.{}", field.kind, field.name));
            }
        }
    }
    let expected = "event.budget event.notes event.external_ids customer.owner_user \
        customer.remark customer.external_ids interaction.actor_user interaction.note \
        followup.value followup.assignee followup.lost_reason";
    assert_eq!(internal, expected.split_whitespace().collect::<Vec<_>>());
    let custom = GrantableError::Custom { kind: Kind::Customer, name: "x_score".into() };
    assert_eq!(grantable(Kind::Customer, "x_score"), Err(custom));
    assert_eq!(
        grantable(Kind::Customer, "phone").map_err(|error| error.to_string()),
        Err("customer has no field `phone`; did you mean `phones`?".to_owned())
    );
    assert!(grantable(Kind::Customer, "x_").is_err());
}

#[test]
fn labels_are_there_and_tell_the_fields_of_a_kind_apart() {
    for kind in Kind::ALL {
        let mut seen = BTreeSet::new();
        for field in fields(kind) {
            for label in [field.label_en, field.label_zh] {
                assert!(!label.trim().is_empty() && !field.help.is_empty(), "{}", field.name);
                assert!(seen.insert(label.to_lowercase()), "{kind}: {label}");
            }
            assert!(field.label_zh.chars().all(|c| !c.is_ascii()), "{}", field.label_zh);
        }
    }
}

#[test]
fn a_kind_is_found_by_both_its_names_and_its_ids_carry_it() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(Kind::from_name(kind.plural()), Some(kind));
        let text = id(kind);
        assert_eq!(text.len(), kind.prefix().len() + 26);
        assert_eq!(text, text.to_lowercase());
        assert_eq!(Kind::parse_id(&text), Some((kind, RecordId([9; 16]))));
        assert_eq!(Kind::parse_id(&text[..20]), None);
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
    }
    assert_eq!(Kind::from_name("guest"), None);
    assert_eq!(Kind::parse_id("rec_aaaaaaaaaaaaaaaaaaaaaaaaaa"), None);
    assert_eq!(Kind::parse_id("cus_é"), None);
}

#[test]
fn a_custom_name_is_short_and_plain() {
    let longest = format!("x_{}", "a".repeat(60));
    for (name, good) in [
        ("x_a", true),
        ("x_score_2", true),
        (longest.as_str(), true),
        (&format!("{longest}a"), false),
        ("x_", false),
        ("x_Score", false),
        ("x_评分", false),
        ("score", false),
    ] {
        assert_eq!(is_custom(name), good, "{name}");
    }
    assert_eq!(class(Kind::Event, "x_a"), Some(Class::S4));
    assert_eq!(class(Kind::Event, "title"), Some(Class::S0));
    assert_eq!(class(Kind::Event, "ticket"), None);
}

#[test]
fn a_value_goes_through_text_and_json_and_back() {
    use Kind::{Customer, Event, Followup, Interaction, Participation};
    let org = org();
    let event = id(Event);
    let credit = format!(r#"[{{"org":"{org}","share":50}}]"#);
    let two = format!("{org};{}", crate::id::OrgId([8; 32]));
    let rows: Vec<(Kind, &str, &str, Json)> = vec![
        (Event, "title", "Spring = launch", json!("Spring = launch")),
        (Event, "summary", " as typed\n", json!(" as typed\n")),
        (Event, "status", "open", json!("open")),
        (Event, "starts_at", "2027-03-01T09:00:00+08:00", json!("2027-03-01T01:00:00Z")),
        (Event, "timezone", "Asia/Shanghai", json!("Asia/Shanghai")),
        (Event, "online_url", "https://example.com/x", json!("https://example.com/x")),
        (Event, "organiser", &org, json!(org)),
        (Event, "co_organisers", &two, json!(two.split(';').collect::<BTreeSet<_>>())),
        (Event, "capacity", " 120 ", json!(120)),
        (Event, "language", "zh-CN", json!("zh-CN")),
        (Event, "budget", "12.50 CNY", json!({"amount": "12.50", "currency": "CNY"})),
        (Event, "tags", "b, a;b；c", json!(["a", "b", "c"])),
        (Event, "tags", r#"["a,b"]"#, json!(["a,b"])),
        (Event, "external_ids", r#"{"b":1,"a":"x"}"#, json!({"a": "x", "b": 1})),
        (
            Customer,
            "emails",
            "a@example.com; b@example.com",
            json!(["a@example.com", "b@example.com"]),
        ),
        (Customer, "phones", "+86 138 0013 8000", json!(["+8613800138000"])),
        (Customer, "phones", "", json!([])),
        (Customer, "tags", "segment:vip, new", json!(["new", {"group": "segment", "name": "vip"}])),
        (
            Customer,
            "tags",
            r#"[{"group":"a:b","name":"c"}]"#,
            json!([{"group": "a:b", "name": "c"}]),
        ),
        (Customer, "channels", "linkedin:li", json!([{"kind": "linkedin", "value": "li"}])),
        (
            Customer,
            "consent",
            r#"[{"purpose":"launch","at":"2027-03-01T09:00:00+08:00","scope":["all"]}]"#,
            json!([{"at": "2027-03-01T01:00:00Z", "purpose": "launch", "scope": ["all"]}]),
        ),
        (Customer, "do_not_contact", "email", json!(["email"])),
        (Customer, "x_score", "7", json!("7")),
        (Participation, "event", &event, json!(event)),
        (Participation, "answers", r#"{"diet":"none"}"#, json!({"diet": "none"})),
        (Interaction, "counts_to_cap", "yes", json!(true)),
        (Followup, "credit", &credit, json!([{"org": org, "share": 50}])),
    ];
    for (kind, name, text, json) in rows {
        let value = parse_text(kind, name, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(to_json(kind, name, &value), json, "{name}");
        assert_eq!(from_json(kind, name, &json).as_ref(), Ok(&value), "{name}");
        let shown = to_text(kind, name, &value);
        assert_eq!(parse_text(kind, name, &shown), Ok(value.clone()), "{name}: {shown}");
        if let Some(field) = field(kind, name) {
            assert_eq!(value.shape(), field.ty.shape(), "{name}");
        }
    }
}

#[test]
fn one_tag_has_one_form_however_it_was_written() {
    let vip = parse_text(Kind::Customer, "tags", "segment:vip").unwrap();
    for json in [json!(["segment:vip"]), json!([{"name": "vip", "group": "segment"}])] {
        assert_eq!(from_json(Kind::Customer, "tags", &json).as_ref(), Ok(&vip));
    }
    let bare = parse_text(Kind::Customer, "tags", "vip").unwrap();
    assert_eq!(from_json(Kind::Customer, "tags", &json!([{"name": "vip"}])), Ok(bare));
}

#[test]
fn a_custom_field_holds_a_string_or_json() {
    for (json, value) in [
        (json!("a"), Value::Str("a".to_owned())),
        (json!({"b": 1, "a": []}), Value::Json(r#"{"a":[],"b":1}"#.to_owned())),
        (json!(7), Value::Json("7".to_owned())),
    ] {
        assert_eq!(from_json(Kind::Event, "x_a", &json).as_ref(), Ok(&value));
        assert_eq!(to_json(Kind::Event, "x_a", &value), json);
    }
}

#[test]
fn an_error_names_the_field_what_was_found_and_what_is_expected() {
    let rows = [
        (
            Kind::Event,
            "status",
            "opened",
            "status: \"opened\" is not one of draft, planned, open, \
          closed, done, cancelled",
        ),
        (
            Kind::Event,
            "starts_at",
            "soon",
            "starts_at: \"soon\" is not a time with offset such as \
          2027-03-01T09:00:00+08:00",
        ),
        (Kind::Event, "capacity", "many", "capacity: \"many\" is not a whole number such as 120"),
        (Kind::Event, "titel", "x", "event has no field `titel`; did you mean `title`?"),
        (
            Kind::Event,
            "x_Score",
            "x",
            "`x_Score` is no name of a custom field: use x_ and 1 to 60 \
          of a-z, 0-9 and _",
        ),
        (
            Kind::Customer,
            "emails",
            "a@example.com;b",
            "emails: \"b\" is not an e-mail address such \
          as li@example.com",
        ),
        (
            Kind::Customer,
            "channels",
            "fax:1",
            "channels: \"fax\" is not one of wechat_unionid, \
          wechat_openid, wecom_external_userid, qq, weibo, douyin, linkedin, other",
        ),
        (
            Kind::Participation,
            "event",
            "cus_aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "event: \
          \"cus_aaaaaaaaaaaaaaaaaaaaaaaaaa\" is not an id that starts with evt_",
        ),
    ];
    for (kind, name, text, expected) in rows {
        let error = parse_text(kind, name, text).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

#[test]
fn json_of_another_type_is_refused() {
    for (kind, name, json) in [
        (Kind::Event, "title", json!(1)),
        (Kind::Event, "title", Json::Null),
        (Kind::Event, "capacity", json!("120")),
        (Kind::Event, "capacity", json!(1.5)),
        (Kind::Event, "starts_at", json!(1_803_862_800_000_i64)),
        (Kind::Event, "budget", json!({"amount": "1", "currency": "CNY", "tax": "0"})),
        (Kind::Event, "budget", json!("1 CNY")),
        (Kind::Event, "external_ids", json!([])),
        (Kind::Event, "tags", json!("a")),
        (Kind::Event, "tags", json!([""])),
        (Kind::Event, "co_organisers", json!(["org_x"])),
        (Kind::Customer, "phones", json!([86])),
        (Kind::Customer, "tags", json!([{"group": "a"}])),
        (Kind::Customer, "tags", json!([{"name": "a", "id": 1}])),
        (Kind::Customer, "consent", json!([{"purpose": 1}])),
        (Kind::Customer, "consent", json!([{"purpose": "a", "colour": "red"}])),
        (Kind::Customer, "consent", json!(["yes"])),
        (Kind::Interaction, "counts_to_cap", json!("yes")),
    ] {
        assert!(from_json(kind, name, &json).is_err(), "{name} {json}");
    }
}

#[test]
fn sizes_are_bounded() {
    let long = "a".repeat(MAX_STRING_BYTES + 1);
    assert!(parse_text(Kind::Event, "title", &long).is_err());
    assert!(parse_text(Kind::Event, "title", &long[1..]).is_ok());
    assert!(parse_text(Kind::Event, "x_a", &long).is_err());
    assert!(parse_text(Kind::Event, "summary", &long).is_ok());
    assert!(parse_text(Kind::Event, "summary", &long.repeat(4)).is_err());
    let many: Vec<String> = (0..=MAX_LIST_ITEMS).map(|n| n.to_string()).collect();
    let found = from_json(Kind::Event, "tags", &json!(many)).unwrap_err().to_string();
    assert_eq!(found, "tags: more than 1000 elements");
    assert!(from_json(Kind::Event, "tags", &json!(many[1..])).is_ok());
    assert!(parse_text(Kind::Event, "tags", &many.join(";")).is_err());
}

#[test]
fn a_number_with_many_digits_is_the_same_however_often_it_is_read_and_shown() {
    for text in
        ["555555444444444444444444444544554", "5.5555444444444444e+32", "0.1234567890123456789"]
    {
        let json: Json = serde_json::from_str(text).unwrap();
        let first = from_json(Kind::Customer, "x_number", &json).unwrap();
        let again =
            from_json(Kind::Customer, "x_number", &to_json(Kind::Customer, "x_number", &first));
        assert_eq!(again.unwrap(), first, "{text}");
    }
}

#[test]
fn a_tag_without_a_group_is_the_same_however_often_it_is_read_and_shown() {
    for (text, is) in [(":vip", json!(["vip"])), (": a : b", json!([{"group": "a", "name": "b"}]))]
    {
        let first = parse_text(Kind::Customer, "tags", text).unwrap();
        assert_eq!(to_json(Kind::Customer, "tags", &first), is, "{text}");
        let again = parse_text(Kind::Customer, "tags", &to_text(Kind::Customer, "tags", &first));
        assert_eq!(again.unwrap(), first, "{text}");
    }
    assert!(parse_text(Kind::Customer, "tags", ":a:").is_err());
}
