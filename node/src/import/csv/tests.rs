//! Files as people have them, byte for byte, and what becomes of each row.

use entente_protocol::vocabulary::{Kind, to_json};
use serde_json::{Value as Json, json};

use super::*;
use crate::import::ImportedRow;

fn customers(bytes: &[u8]) -> Imported {
    read_csv(Kind::Customer, bytes).unwrap()
}

fn shown(row: &ImportedRow) -> Json {
    let fields = row.fields.iter();
    fields.map(|(name, value)| (name.clone(), to_json(Kind::Customer, name, value))).collect()
}

fn lines(imported: &Imported) -> Vec<u64> {
    imported.rows.iter().map(|row| row.line).collect()
}

#[test]
fn one_table_in_every_encoding_gives_one_result() {
    let expected = json!({"name": "张伟", "org_name": "雪松", "phones": ["+8613800138000"]});
    let utf8 = "姓名,公司,电话\r\n张伟,雪松,+86 138 0013 8000\r\n";
    let units: Vec<u16> = utf8.encode_utf16().collect();
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.into_iter().chain(units.iter().flat_map(|unit| bytes(*unit))).collect()
    };
    let gb18030: &[u8] = b"\xd0\xd5\xc3\xfb,\xb9\xab\xcb\xbe,\xb5\xe7\xbb\xb0\r\n\
        \xd5\xc5\xce\xb0,\xd1\xa9\xcb\xc9,+86 138 0013 8000\r\n";
    for (name, bytes) in [
        ("UTF-8", utf8.as_bytes().to_vec()),
        ("UTF-8 with mark", [b"\xef\xbb\xbf", utf8.as_bytes()].concat()),
        ("UTF-16 LE", utf16([0xff, 0xfe], u16::to_le_bytes)),
        ("UTF-16 BE", utf16([0xfe, 0xff], u16::to_be_bytes)),
        ("GB18030", gb18030.to_vec()),
        ("tabs", utf8.replace(',', "\t").into_bytes()),
        ("semicolons", utf8.replace(',', ";").into_bytes()),
    ] {
        let imported = customers(&bytes);
        assert_eq!(
            imported.rows.iter().map(shown).collect::<Vec<_>>(),
            std::slice::from_ref(&expected),
            "{name}"
        );
        assert_eq!((imported.rejected.len(), imported.unknown_columns.len()), (0, 0), "{name}");
    }
}

#[test]
fn a_line_is_the_physical_one_with_quoted_and_empty_lines_counted() {
    for newline in ["\n", "\r\n", "\r"] {
        let text = "name,address\nAda,\"1 Way\nTown\n\"\n\nBob,here\n\n\n\"Cy\",\"x\ny\"\nDi,\n";
        let imported = customers(text.replace('\n', newline).as_bytes());
        assert_eq!(lines(&imported), [2, 6, 9, 11], "{newline:?}");
    }
    assert_eq!(lines(&customers(b"\n\nname\nAda")), [4]);
}

#[test]
fn a_customer_without_a_handle_is_rejected_and_its_neighbours_stay() {
    let text = "name,公司,E-Mail,phone,industry\n\
        Ada,,,,\n\
        ,,not-an-address,,retail\n\
        ,,,12 ab,\n\
        ,,,,retail\n\
        ,,,,\n\
        ,,ada@example.com,,\n\
        ,Cedar,,,\n\
        ,,,138 0013 8000,\n";
    let imported = customers(text.as_bytes());
    assert_eq!(lines(&imported), [2, 7, 8, 9]);
    let rejected: Vec<_> =
        imported.rejected.iter().map(|r| (r.line, r.column.as_deref().unwrap())).collect();
    assert_eq!(rejected, [(3, "E-Mail"), (4, "phone"), (5, "name"), (6, "name")]);
    assert!(imported.rejected[0].why.contains("\"not-an-address\" is not an e-mail address"));
}

#[test]
fn a_bad_value_is_kept_as_a_custom_field_with_a_warning() {
    let text = "name,email,gender,性别\nAda,ada@example.com; oops,f,\nBob,,male,\n";
    let imported = customers(text.as_bytes());
    assert_eq!(
        shown(&imported.rows[0]),
        json!({"name": "Ada", "emails": ["ada@example.com"], "x_email": "oops", "x_gender": "f"})
    );
    let warned: Vec<_> = imported.rows[0]
        .warnings
        .iter()
        .map(|w| (w.column.as_str(), w.kept_as.as_str(), w.why.as_str()))
        .collect();
    assert_eq!(
        warned,
        [
            (
                "email",
                "x_email",
                "emails: \"oops\" is not an e-mail address such as li@example.com"
            ),
            ("gender", "x_gender", "gender: \"f\" is not one of female, male, other"),
        ]
    );
    assert_eq!(shown(&imported.rows[1]), json!({"name": "Bob", "gender": "male"}));
    assert!(imported.rows[1].warnings.is_empty());
}

#[test]
fn nothing_of_a_row_is_dropped() {
    let text = "external_id,name,Shoe size,客户等级,phone,Mobile,tags\n\
        C-1,Ada,38,A,+44 7700 900001,+44 7700 900002;+44 7700 900001,segment:vip;new,beyond\n";
    let imported = customers(text.as_bytes());
    assert_eq!(
        shown(&imported.rows[0]),
        json!({
            "external_ids": {"external_id": "C-1"},
            "name": "Ada",
            "x_shoe_size": "38",
            "x_u5ba2_u6237_u7b49_u7ea7": "A",
            "phones": ["+447700900001", "+447700900002"],
            "tags": ["new", {"group": "segment", "name": "vip"}],
            "x_column_8": "beyond",
        })
    );
    let unknown: Vec<_> = imported.unknown_columns.iter().map(|c| c.heading.as_str()).collect();
    assert_eq!(unknown, ["Shoe size", "客户等级"]);
    assert_eq!(imported.rows[0].warnings.len(), 1);
}

#[test]
fn a_name_is_made_of_family_and_given_name() {
    let text =
        "family_name,given_name,name\n张,伟,\nChen,Wei,\nLee,Ada,A. Lee\n王,,\n,Ada,\n欧阳,Wei,\n";
    let names: Vec<_> =
        customers(text.as_bytes()).rows.iter().map(|row| shown(row)["name"].clone()).collect();
    assert_eq!(names, ["张伟", "Wei Chen", "A. Lee", "王", "Ada", "Wei 欧阳"]);
}

#[test]
fn an_open_quotation_costs_one_row() {
    for (text, rows, rejected) in [
        ("name,title\nAda,x\n\"Bob,y\nCy,z\n", vec![2, 4], vec![3]),
        ("name,title\n\"Bob,y\nCy,z\n\"Di\",\"w\"\nEd,v\n", vec![3, 4, 5], vec![2]),
        ("name,title\nAda,5\" x\nBob,y\n", vec![2, 3], vec![]),
        ("name,title\nAda,\"x\"\"\ny\"\nBob,y\n", vec![2, 4], vec![]),
    ] {
        let imported = customers(text.as_bytes());
        assert_eq!(lines(&imported), rows, "{text}");
        assert_eq!(
            imported.rejected.iter().map(|r| r.line).collect::<Vec<_>>(),
            rejected,
            "{text}"
        );
    }
}

#[test]
fn other_kinds_have_their_own_fields_and_need_no_handle() {
    let text = "活动名称,开始时间,phone\nLaunch,2027-03-18T10:00:00+08:00,1\nTalk,soon,\n,,\n";
    let imported = read_csv(Kind::Event, text.as_bytes()).unwrap();
    assert_eq!(lines(&imported), [2, 3]);
    let names: Vec<_> = imported.rows[0].fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["starts_at", "title", "x_phone"]);
    let names: Vec<_> = imported.rows[1].fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["title", "x_starts_at"]);
    assert_eq!(imported.rejected[0].why, "the row is empty");
}

#[test]
fn a_file_without_headings_or_text_is_an_error() {
    assert!(matches!(read_csv(Kind::Customer, b""), Err(ImportError::Empty)));
    assert!(matches!(read_csv(Kind::Customer, b"\xef\xbb\xbf\r\n"), Err(ImportError::Empty)));
    assert!(matches!(read_csv(Kind::Customer, b"\"na\nme"), Err(ImportError::Headings)));
    assert!(matches!(read_csv(Kind::Customer, b"n\0a\0"), Err(ImportError::Encoding)));
    assert_eq!(customers(b"name\n"), Imported::default());
}

#[test]
fn a_list_with_too_many_elements_is_kept_aside_whole() {
    let many: String = (0..1001).map(|n| format!("t{n};")).collect();
    let imported = customers(format!("name,tags\nAda,{many}\nBob,a\n").as_bytes());
    assert_eq!(lines(&imported), [2, 3]);
    assert_eq!(shown(&imported.rows[0])["x_tags"], json!(many));
}
