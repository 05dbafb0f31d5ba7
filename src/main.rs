use clap::Parser;
use portcullis::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().dispatch()
}

/// glibc gives memory of a thread's arena back and takes it again with `mprotect`, once in every
/// few requests; see `docs/decisions/0009-allocator.md`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
