//! Bodies that are more than one plain JSON document: encoded ones, and streams of records.

mod coded;
mod records;
mod script;

use super::{Api, with_tokens};
use crate::support::proxy::Start;
use crate::support::{TempPolicy, Upstream, tokens};
use std::io::{Read, Write};

/// The codings that are written as well as read.
pub(crate) const WRITTEN: [&str; 3] = ["gzip", "br", "zstd"];

/// The codings that are read.
pub(crate) const READ: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// A proxy with these settings before this upstream.
#[track_caller]
fn started(upstream: Upstream, rules: &str, settings: &[(&str, &str)]) -> Api {
    let policy = TempPolicy::file(&with_tokens(rules));
    policy.write("jwt.secret", tokens::SECRET);
    let mut start = Start::new().upstream(&upstream).policy(policy.path());
    for (name, value) in [("WORKERS", "1")].iter().chain(settings) {
        start = start.environment(&format!("PORTCULLIS_{name}"), value);
    }
    Api { upstream, policy, proxy: start.ready() }
}

/// A body with this coding.
pub(crate) fn coded(coding: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let level = flate2::Compression::best();
    match coding {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(body).expect("memory");
            writer.finish().expect("memory")
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(body).expect("memory");
            writer.finish().expect("memory")
        }
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 20);
            writer.write_all(body).expect("memory");
            writer.into_inner()
        }
        "zstd" => zstd::stream::encode_all(body, 3).expect("memory"),
        _ => body.to_vec(),
    }
}

/// What a body with this coding says.
#[track_caller]
pub(crate) fn plain(coding: Option<&str>, body: &[u8]) -> String {
    let mut text = Vec::new();
    let read = match coding {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4_096).read_to_end(&mut text),
        Some("zstd") => zstd::stream::read::Decoder::new(body)
            .and_then(|mut reader| reader.read_to_end(&mut text)),
        Some(other) => panic!("nobody asked for `{other}`"),
        None => {
            text = body.to_vec();
            Ok(text.len())
        }
    };
    read.unwrap_or_else(|error| panic!("{coding:?}: {error}: {}", body.escape_ascii()));
    String::from_utf8(text).expect("UTF-8")
}

/// What can be read of the beginning of a body with this coding.
#[track_caller]
fn begun(coding: &str, body: &[u8]) -> String {
    let read = |mut writer: Box<dyn Write + '_>| {
        writer.write_all(body).and_then(|()| writer.flush()).expect("a beginning");
    };
    let mut text = Vec::new();
    match coding {
        "gzip" => read(Box::new(flate2::write::GzDecoder::new(&mut text))),
        "br" => {
            let mut writer = brotli::DecompressorWriter::new(&mut text, 4_096);
            writer.write_all(body).and_then(|()| writer.flush()).expect("a beginning");
            // Its end would be an error: the body goes on.
            std::mem::forget(writer);
        }
        "zstd" => read(Box::new(zstd::stream::write::Decoder::new(&mut text).expect("memory"))),
        other => panic!("nobody asked for `{other}`"),
    }
    String::from_utf8(text).expect("UTF-8")
}

/// A response with a length whose body is any bytes.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Scripted\r\n").into_bytes();
    let length = body.len().to_string();
    for (name, value) in fields.iter().chain(&[("Content-Length", length.as_str())]) {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    chunk
}

/// The greatest resident size so far, in KiB (proc(5), `VmHWM`).
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a size").parse().expect("a number")
}
