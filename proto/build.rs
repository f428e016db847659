//! Compiles the `.proto` files with protox, so that no `protoc` is needed for them, and makes the
//! canonical JSON of what agents see.

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
    let mut json = pbjson_build::Builder::new();
    for file in &descriptors.file {
        json.register_file_descriptor(file.clone());
    }
    // A later agent or server may say more than this one understands, as in the binary form.
    json.ignore_unknown_fields()
        // These travel between servers only.
        .exclude([".drover.v1.Envelope", ".drover.v1.HostReport"])
        .build(&[".drover.v1"])?;
    prost_build::Config::new()
        .enable_type_names()
        // Kept out of line, so that a ping does not take the room of a container's whole spec.
        .boxed(".drover.v1.Command.action.create_container")
        .boxed(".drover.v1.Command.action.open_stream")
        .boxed(".drover.v1.Command.action.pull_image")
        .boxed(".drover.v1.ServerFrame.content.command")
        .boxed(".drover.v1.Reply.result.host_stats")
        // Nothing prints a credential.
        .skip_debug([".drover.v1.RotateCredential", ".drover.v1.RegistryLogin"])
        .compile_fds(descriptors)?;
    Ok(())
}
