//! `multipart/form-data` (RFC 7578, over RFC 2046 section 5.1), read strictly.

use super::{Content, Field};
use crate::filter::fault::Fault;
use memchr::memmem;
use std::borrow::Cow;

/// Bytes of the head of one part.
pub const MAX_PART_HEAD: usize = 4 << 10;

/// The fields, in their order. There is nothing before the first boundary and nothing after the last,
/// lines end with CRLF, and no boundary stands where another reader would see one.
pub(super) fn fields<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Field<'a>>, Fault> {
    let mut reader = Reader { body, pos: 0, dashed: format!("--{boundary}").into_bytes() };
    let mut fields = Vec::new();
    reader.expect_boundary()?;
    while reader.has_next()? {
        if fields.len() > super::MAX_FIELDS {
            // One more than may be: the count is judged by the caller.
            break;
        }
        fields.push(reader.part()?);
    }
    Ok(fields)
}

struct Reader<'a> {
    body: &'a [u8],
    pos: usize,
    /// `--` and the boundary.
    dashed: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn expect_boundary(&mut self) -> Result<(), Fault> {
        if !self.body[self.pos..].starts_with(&self.dashed) {
            return Err(self.unclear());
        }
        self.pos += self.dashed.len();
        Ok(())
    }

    /// Right after a boundary: whether a part follows. Nothing follows the last one but a line's end.
    fn has_next(&mut self) -> Result<bool, Fault> {
        let rest = &self.body[self.pos..];
        if rest.starts_with(b"\r\n") {
            self.pos += 2;
            return Ok(true);
        }
        match rest {
            b"--" | b"--\r\n" => Ok(false),
            _ => Err(self.unclear()),
        }
    }

    /// A part, and the boundary after it.
    fn part(&mut self) -> Result<Field<'a>, Fault> {
        let offset = self.pos as u64;
        let head = self.head()?;
        let content = self.content()?;
        let kind = Kind::of(&head).ok_or(Fault::NotAForm { offset })?;
        let content = kind.content(content).ok_or(Fault::NotAForm { offset })?;
        Ok(Field { name: Cow::Owned(head.name), content, offset })
    }

    fn head(&mut self) -> Result<Head, Fault> {
        let rest = &self.body[self.pos..];
        let near = &rest[..rest.len().min(MAX_PART_HEAD + 4)];
        let end = memmem::find(near, b"\r\n\r\n").ok_or_else(|| self.unclear())?;
        let head = Head::read(&rest[..end]).ok_or_else(|| self.unclear())?;
        self.pos += end + 4;
        Ok(head)
    }

    fn content(&mut self) -> Result<&'a [u8], Fault> {
        let rest = &self.body[self.pos..];
        let delimiter = [b"\r\n", &self.dashed[..]].concat();
        let end = memmem::find(rest, &delimiter).ok_or_else(|| self.unclear())?;
        let content = &rest[..end];
        if memmem::find_iter(content, &self.dashed).any(|at| begins_line(content, at)) {
            return Err(self.unclear());
        }
        self.pos += end + delimiter.len();
        Ok(content)
    }

    fn unclear(&self) -> Fault {
        Fault::NotAForm { offset: self.pos as u64 }
    }
}

/// Whether some reader takes this for the beginning of a line.
fn begins_line(content: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| matches!(content[before], b'\n' | b'\r'))
}

/// The head of a part.
struct Head {
    name: String,
    has_file_name: bool,
    kind: Option<String>,
}

impl Head {
    /// `None` where it has anything but one Content-Disposition and at most one Content-Type.
    fn read(head: &[u8]) -> Option<Head> {
        let text = std::str::from_utf8(head).ok()?;
        let (mut disposition, mut kind) = (None, None);
        for line in text.split("\r\n") {
            if line.contains(|c: char| c.is_control() && c != '\t') {
                return None;
            }
            let (name, value) = line.split_once(':')?;
            let slot = match () {
                () if name.eq_ignore_ascii_case("content-disposition") => &mut disposition,
                () if name.eq_ignore_ascii_case("content-type") => &mut kind,
                () => return None,
            };
            if slot.replace(value.trim_matches([' ', '\t']).to_owned()).is_some() {
                return None;
            }
        }
        let (name, has_file_name) = named(&disposition?)?;
        Some(Head { name, has_file_name, kind })
    }
}

/// The name of a field, and whether there is a file's: `form-data; name="a"; filename="b"`. Nothing
/// in it can be read in two ways: no escapes (some servers know `\"`, some `%22`), no parameter twice,
/// none with a `*`, and none that stands in another one's quotes.
fn named(disposition: &str) -> Option<(String, bool)> {
    let (kind, mut rest) = disposition.split_once(';')?;
    if !kind.trim_end().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file) = (None, None);
    loop {
        let (key, after) = rest.trim_start().split_once('=')?;
        let (value, after) = parameter(after)?;
        if has_a_name(value) {
            return None;
        }
        let slot = match key {
            _ if key.eq_ignore_ascii_case("name") => &mut name,
            _ if key.eq_ignore_ascii_case("filename") => &mut file,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
        match after.trim_start() {
            "" => break,
            more => rest = more.strip_prefix(';')?,
        }
    }
    let name = name.filter(|name| !name.contains('%'))?;
    Some((name.to_owned(), file.is_some()))
}

/// Whether a value has in it what a reader that looks for `name=` takes for a parameter of its own.
fn has_a_name(value: &str) -> bool {
    let mut squeezed = value.to_ascii_lowercase();
    squeezed.retain(|c| !c.is_whitespace() && c != '*');
    squeezed.contains("name=")
}

/// A value, with or without quotes, and what follows it.
fn parameter(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = quoted.split_once('"')?;
        return (!value.contains('\\')).then_some((value, after));
    }
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.[]".contains(c);
    let end = text.find(|c| !token(c)).unwrap_or(text.len());
    (end > 0).then_some(text.split_at(end))
}

/// How the content of a part is read.
enum Kind {
    Text,
    Json,
    File,
}

impl Kind {
    /// `None` where a part has parts, or a charset that is not UTF-8.
    fn of(head: &Head) -> Option<Kind> {
        let Some(kind) = &head.kind else {
            return Some(if head.has_file_name { Kind::File } else { Kind::Text });
        };
        let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let essence = essence.trim().to_ascii_lowercase();
        let utf8 = !parameters.to_ascii_lowercase().contains("charset")
            || ["utf-8", "\"utf-8\""].iter().any(|name| {
                let text = parameters.trim().to_ascii_lowercase();
                text.strip_prefix("charset=") == Some(name)
            });
        match &*essence {
            multipart if multipart.starts_with("multipart/") => None,
            _ if head.has_file_name => Some(Kind::File),
            "text/plain" => utf8.then_some(Kind::Text),
            json if json == "application/json" || json.ends_with("+json") => {
                utf8.then_some(Kind::Json)
            }
            _ => Some(Kind::File),
        }
    }

    fn content(self, bytes: &[u8]) -> Option<Content<'_>> {
        Some(match self {
            Kind::File => Content::File,
            Kind::Json => Content::Json(bytes),
            Kind::Text => {
                let text = std::str::from_utf8(bytes).ok()?;
                Content::Text(Cow::Borrowed(Some(text).filter(|text| !text.contains('\0'))?))
            }
        })
    }
}
