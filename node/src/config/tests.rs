//! Which source wins, and what is refused.

use super::*;

fn directory(name: &str, file: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("entente-config-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join(FILE), file).unwrap();
    path
}

#[test]
fn an_option_beats_the_environment_beats_the_file_beats_the_default() {
    let data =
        directory("order", "http = '127.0.0.1:3'\nstore = 'sled'\n[consent]\nrequired = false\n");
    let environment = |name: &str| match name {
        "ENTENTE_HTTP" => Some("127.0.0.1:2".to_owned()),
        _ => None,
    };
    let flags = Flags { http: Some("127.0.0.1:1".into()), ..Flags::default() };
    let config = Config::read(&data, &flags, &environment).unwrap();
    assert_eq!((config.http.value.port(), config.http.from), (1, Source::Flag));
    let config = Config::read(&data, &Flags::default(), &environment).unwrap();
    assert_eq!((config.http.value.port(), config.http.from), (2, Source::Environment));
    let config = Config::read(&data, &Flags::default(), &|_| None).unwrap();
    assert_eq!((config.http.value.port(), config.http.from), (3, Source::File));
    assert_eq!(
        (config.consent_required.value, config.consent_required.from),
        (false, Source::File)
    );
    let line = config.lines().into_iter().find(|line| line.key == "store").unwrap();
    assert_eq!((line.value, line.from), (json!("sled"), Source::File));
    fs::remove_dir_all(data).unwrap();
}

#[test]
fn without_anything_said_consent_is_required_and_the_api_is_this_machines_own() {
    let config = Config::read(Path::new("/nowhere"), &Flags::default(), &|_| None).unwrap();
    assert!(config.consent_required.value);
    assert!(config.http.value.ip().is_loopback());
    assert_eq!(config.store.value, "sled");
    assert_eq!(config.rewrite_after.value, Some(Duration::from_secs(3600)));
}

#[test]
fn a_misspelt_key_and_a_wrong_value_are_errors_that_name_them() {
    for (name, file, said) in [
        ("key", "htp = 1", "no setting `htp`"),
        ("nested", "[consent]\nrequire = true", "no setting `consent.require`"),
        ("store", "store = 'paper'", "`paper` is not sled"),
        ("listen", "listen = ['nowhere']", "is not a list of addresses"),
        ("delay", "rewrite_after = 'soon'", "`soon` is not a duration such as 1h, or never"),
        ("type", "[consent]\nrequired = 3", "`3` is not true or false"),
        ("syntax", "listen = [", "is not valid TOML"),
    ] {
        let data = directory(name, file);
        let error = Config::read(&data, &Flags::default(), &|_| None).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
        fs::remove_dir_all(data).unwrap();
    }
}
