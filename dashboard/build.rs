//! Has the crate built again when a file of the page is added or taken away; a changed one is
//! noticed without this.

fn main() {
    println!("cargo:rerun-if-changed=assets");
}
