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
        // Kept out of line, so that a ping does not take the room of a container's whole spec.
        .boxed(".drover.v1.Command.action.create_container")
        .boxed(".drover.v1.ServerFrame.content.command")
        .compile_fds(descriptors)?;
    Ok(())
}
