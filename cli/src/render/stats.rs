//! What containers use, as a table.

use drover_domain::stream::Usage;

use super::IdLength;
use super::table::{Look, draw};

/// A container, and what it uses.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What it uses.
    pub usage: Usage,
}

/// A table of what containers use.
pub fn table(rows: &[Row], look: Look) -> String {
    let rows = rows.iter().map(|Row { name, id, usage }| {
        vec![
            name.as_str().into(),
            IdLength::Short.of(id).into(),
            format!("{}.{}%", usage.cpu_millis / 10, usage.cpu_millis % 10).into(),
            format!(
                "{} / {}",
                bytes(usage.memory_bytes),
                bytes(usage.memory_limit_bytes)
            )
            .into(),
            pair(usage.network_received_bytes, usage.network_sent_bytes).into(),
            pair(usage.disk_read_bytes, usage.disk_written_bytes).into(),
            usage.processes.to_string().into(),
        ]
    });
    draw(
        &[
            "NAME",
            "ID",
            "CPU",
            "MEMORY",
            "NET IN / OUT",
            "DISK IN / OUT",
            "PIDS",
        ],
        rows.collect(),
        look,
    )
}

fn pair(one: u64, other: u64) -> String {
    format!("{} / {}", bytes(one), bytes(other))
}

/// An amount of bytes with its unit, and one place behind the point.
fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = match amount {
        0 => 0,
        amount => usize::try_from(amount.ilog2() / 10).unwrap_or(0),
    };
    let unit = unit.min(UNITS.len() - 1);
    if unit == 0 {
        return format!("{amount} B");
    }
    let tenths = (u128::from(amount) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use drover_domain::Timestamp;

    use super::*;

    #[test]
    fn amounts_have_the_unit_that_suits_them() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(16 << 20), "16.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn a_container_is_a_row() {
        let usage = Usage {
            time: Timestamp::from_millis(0),
            cpu_millis: 1_234,
            memory_bytes: 16 << 20,
            memory_limit_bytes: 64 << 20,
            network_received_bytes: 1_536,
            network_sent_bytes: 0,
            disk_read_bytes: 0,
            disk_written_bytes: 0,
            processes: 3,
        };
        let row = Row {
            name: "web".to_owned(),
            id: "01990000-0000-7000-8000-00000000beef".to_owned(),
            usage,
        };
        let table = table(&[row], Look::Plain);
        let line = table.lines().nth(1).unwrap();
        assert!(
            line.contains("123.4%") && line.contains("16.0 MiB / 64.0 MiB"),
            "{line}"
        );
    }
}
