//! A password that a registry asks for is nowhere in what an installation leaves behind: no log of any of its
//! programs, no file of theirs, no table. On Docker, to which it is shown.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;

use drover_scenarios::installation::{Cluster, Drover, Embedded, Runtime};
use drover_scenarios::scenarios::private_images::{
    PASSWORD, a_private_image_is_fetched_by_who_logs_in, a_wrong_password_is_told_and_put_right,
};

/// Has passwords taken in, used, refused and changed, and one left in use.
async fn use_passwords(drover: &Drover) {
    let (used, refused) = tokio::join!(
        a_private_image_is_fetched_by_who_logs_in(drover),
        a_wrong_password_is_told_and_put_right(drover),
    );
    used.unwrap();
    refused.unwrap();
    let left = serde_json::json!({
        "registry": "left.example",
        "username": "robot",
        "password": PASSWORD,
    });
    let made = drover.api.post("/v1/registryCredentials", &left).await;
    made.unwrap().expect(201).unwrap();
}

/// The ways in which a password could be written down.
fn forms() -> [Vec<u8>; 2] {
    let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    [PASSWORD.into(), hex.into()]
}

fn shows_it(bytes: &[u8]) -> bool {
    let found = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form);
    forms().iter().any(found)
}

/// Looks into every file of a folder, and tells how many there are.
fn look_into(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files += look_into(&entry.path());
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!shows_it(&bytes), "it is in {}", entry.path().display());
            files += 1;
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_one_process_shows_a_password() {
    let embedded = Embedded::start(Runtime::Docker).await.unwrap();
    use_passwords(&embedded.drover).await;
    let data = std::fs::read_dir(&embedded.data_dir).unwrap();
    let names: Vec<_> = data.map(|entry| entry.unwrap().file_name()).collect();
    for name in ["drover.db", "secrets.key"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    // The database, with what it has not yet put in its place, its keys, the agent's files and the log.
    assert!(look_into(embedded.drover.folder()) >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_and_no_table_of_a_cluster_shows_a_password() {
    let cluster = Cluster::start(Runtime::Docker).await.unwrap();
    use_passwords(&cluster.drover).await;
    // Nine programs, each with a log.
    assert!(look_into(cluster.drover.folder()) >= 9);
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let tables = cluster.postgres.query(tables).await.unwrap();
    let mut rows = 0;
    for table in tables.lines() {
        let all = format!("SELECT * FROM \"{table}\"");
        let all = cluster.postgres.query(&all).await.unwrap();
        assert!(!shows_it(all.as_bytes()), "it is in the table {table}");
        rows += usize::from(table == "registry_secret") * all.lines().count();
    }
    assert_eq!(rows, 1, "the one that is left is there, and sealed");
}
