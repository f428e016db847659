//! The bus inside one process does what every bus does.

use drover_bus::{MemoryBus, conformance};

macro_rules! hold {
    ($($fact:ident)*) => {$(
        #[tokio::test]
        async fn $fact() {
            let bus = MemoryBus::new();
            conformance::$fact(&bus, &bus.clone()).await;
        }
    )*};
}

drover_bus::every_bus_fact!(hold);
