//! Compiles the `.proto` files with protox, so that no `protoc` is needed for them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "drover/v1/envelope.proto",
        "drover/v1/command.proto",
        "drover/v1/frame.proto",
    ];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    prost_build::Config::new()
        .enable_type_names()
        .compile_fds(descriptors)?;
    Ok(())
}
