//! What comes from where.

use std::collections::BTreeMap;

use super::*;

#[expect(
    clippy::result_large_err,
    reason = "figment's own closure returns its own error"
)]
fn in_jail(test: impl FnOnce(&mut figment::Jail)) {
    figment::Jail::expect_with(|jail| {
        jail.clear_env();
        test(jail);
        Ok(())
    });
}

fn no_flags() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    in_jail(|jail| {
        jail.create_file(
            "drover.toml",
            "log = \"file\"\nlease_seconds = 7\nnats_url = \"a\"",
        )
        .unwrap();
        jail.set_env("DROVER_LOG", "environment");
        jail.set_env("DROVER_LEASE_SECONDS", "8");
        let flags = BTreeMap::from([("log", "flag")]);
        let settings = load(None, &flags).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.log, "flag");
        assert_eq!(settings.lease_seconds, 8);
        assert_eq!(settings.nats_url.as_deref(), Some("a"));
    });
}

#[test]
fn a_key_that_is_misspelt_is_an_error_wherever_it_stands() {
    in_jail(|jail| {
        jail.create_file("drover.toml", "lissen = \"127.0.0.1:1\"")
            .unwrap();
        let error = load(None, &no_flags()).err().map(|error| error.to_string());
        assert!(error.unwrap().contains("lissen"));
    });
    in_jail(|jail| {
        jail.set_env("DROVER_LISSEN", "127.0.0.1:1");
        assert!(load(None, &no_flags()).is_err());
    });
}

#[test]
fn the_variables_of_the_client_are_not_ours() {
    in_jail(|jail| {
        jail.set_env("DROVER_API_KEY_FILE", "/x");
        assert!(load(None, &no_flags()).is_ok());
    });
}

#[test]
fn a_file_that_was_named_must_be_there() {
    in_jail(|_| {
        let missing = Path::new("elsewhere.toml");
        assert!(matches!(
            load(Some(missing), &no_flags()),
            Err(ConfigurationError::NoFile(_))
        ));
    });
}

#[test]
fn lists_are_split_at_commas() {
    let settings = Settings {
        nats_url: Some("nats://a, nats://b".into()),
        ..Settings::default()
    };
    assert_eq!(
        settings.nats_urls().ok(),
        Some(vec!["nats://a".into(), "nats://b".into()])
    );
    assert!(Settings::default().nats_urls().is_err());
}

#[test]
fn a_policy_is_adjusted_by_the_name_of_its_process() {
    in_jail(|jail| {
        jail.create_file(
            "drover.toml",
            "[policies.\"container.create\"]\nattempts = 9\npriority = \"urgent\"\n",
        )
        .unwrap();
        let policies = load(None, &no_flags())
            .ok()
            .and_then(|settings| settings.policies().ok());
        let create = policies.and_then(|policies| {
            policies.of(
                drover_domain::ResourceType::Container,
                drover_domain::lifecycle::Request::Create,
            )
        });
        assert_eq!(create.map(|policy| policy.attempts), Some(9));
    });
}

#[test]
fn a_policy_of_nothing_is_refused() {
    in_jail(|jail| {
        jail.create_file(
            "drover.toml",
            "[policies.\"container.fly\"]\nattempts = 9\n",
        )
        .unwrap();
        let settings = load(None, &no_flags()).ok();
        let refused = settings.map(|settings| settings.policies().is_err());
        assert_eq!(refused, Some(true));
    });
}

#[test]
fn a_certificate_without_its_key_is_an_error_that_names_what_is_missing() {
    in_jail(|jail| {
        jail.set_env("DROVER_TLS_CERTIFICATE", "/x.pem");
        let settings = load(None, &no_flags()).unwrap_or_else(|error| panic!("{error}"));
        let error = settings.tls().err().map(|error| error.to_string());
        assert!(error.unwrap().contains("`tls_key`"));
        jail.set_env("DROVER_TLS_KEY", "/x.key");
        let settings = load(None, &no_flags()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            settings.tls().ok().flatten(),
            Some(("/x.pem".into(), "/x.key".into()))
        );
    });
    assert!(Settings::default().tls().is_ok_and(|tls| tls.is_none()));
}
