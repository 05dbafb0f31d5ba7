//! What the command line says of a request, read.

use crate::decide::{Object, Reason, Refusal};
use crate::diag::did_you_mean;
use crate::policy::Host;
use crate::policy::snapshot::Snapshot;
use crate::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A file with a body.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut body = Vec::new();
    let name = format!("`{}`", path.display());
    pieces(file, &name, |piece| -> Result<(), String> {
        body.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(body)
}

/// Reads what is called `name` piece by piece to its end, or to an error of `take`.
pub(in crate::cli) fn pieces<E: From<String>>(
    mut from: impl Read,
    name: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut room, mut all) = (vec![0; PIECE], 0);
    loop {
        let read = match from.read(&mut room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(|error| format!("cannot read {name}: {error}"))?,
        };
        all += read;
        match read {
            0 => return Ok(()),
            _ if all > MAX_BODY => {
                return Err(format!("{name} is larger than {MAX_BODY} bytes").into());
            }
            _ => take(&room[..read])?,
        }
    }
}

/// What the upstream would say of an object.
pub(super) enum Stored {
    /// There is none.
    Missing,
    /// It cannot be read.
    Unreadable,
    Is(Vec<u8>),
}

/// An object; `none` and `error` are the words for one that is not there, or cannot be read.
pub(super) fn object(path: &Path) -> Result<Stored, String> {
    match path.to_str() {
        Some("none") => Ok(Stored::Missing),
        Some("error") => Ok(Stored::Unreadable),
        _ => read(path).map(Stored::Is),
    }
}

impl Stored {
    pub(super) fn object(&self) -> Object<'_> {
        match self {
            Stored::Missing => Object::Missing,
            Stored::Unreadable => Object::Unknown(Reason::UpstreamFailed),
            Stored::Is(text) => Object::Found(text),
        }
    }
}

/// A time, in seconds since 1970.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let time = humantime::parse_rfc3339(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| "this is before 1970".to_owned())?;
    Ok(since.as_secs())
}

/// A header field.
pub(super) fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header name"))?;
    let value = value.trim().parse().map_err(|_| "this is no header value".to_owned())?;
    Ok((name, value))
}

/// The host that the request names, as the proxy would read it. It may be left out where the
/// policy does not read it.
pub(super) fn host<'a>(
    headers: &'a HeaderMap,
    needed: bool,
    notes: &mut Vec<String>,
) -> Result<Host<'a>, Refusal> {
    let mut refuse = |note: &str| {
        notes.push(note.into());
        Refusal::because(Reason::BadRequest)
    };
    let mut named = headers.get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (None, _) if !needed => Ok(Host::known(b"localhost")),
        (None, _) => Err(refuse("the policy reads the host: name it with `--header 'Host: …'`")),
        (Some(host), None) => {
            Host::parse(host.as_bytes()).ok_or_else(|| refuse("the Host header names no host"))
        }
        (Some(_), Some(_)) => Err(refuse("the request has two Host headers")),
    }
}

/// Roles that the credential names and the policy does not have: they count for nothing.
pub(super) fn unknown_roles(snapshot: &Snapshot, caller: &Principal) -> Vec<String> {
    let known = || snapshot.roles().iter().map(|role| &**role.id());
    let by_org = caller.org_roles.iter().flat_map(|(_, roles)| roles);
    let mut named: Vec<_> = caller.roles.iter().flatten().chain(by_org).collect();
    named.sort_unstable();
    named.dedup();
    named
        .into_iter()
        .filter(|role| snapshot.role_id(role).is_none())
        .map(|role| match did_you_mean(role, known()) {
            Some(near) => format!("the policy has no role `{role}`; did you mean `{near}`?"),
            None => format!("the policy has no role `{role}`"),
        })
        .collect()
}

/// Bytes of a body that a command reads; also what a file without an end is read to.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;
