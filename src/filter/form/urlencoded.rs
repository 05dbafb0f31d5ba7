//! `application/x-www-form-urlencoded` (WHATWG URL section 5), read strictly.

use super::{Content, Field};
use crate::filter::fault::Fault;
use crate::filter::scan::hex;
use std::borrow::Cow;

/// The fields, in their order. What a browser would not write is refused: raw spaces and other bytes
/// that must be escaped, bad escapes, names without `=`, empty fields, and `;`, with which fields end
/// for some servers.
pub(super) fn fields(body: &[u8]) -> Result<Vec<Field<'_>>, Fault> {
    let mut fields = Vec::new();
    let mut start = 0;
    for part in body.split(|byte| *byte == b'&') {
        let offset = start as u64;
        start += part.len() + 1;
        let unclear = Fault::NotAForm { offset };
        let equals = part.iter().position(|byte| *byte == b'=').ok_or(unclear)?;
        let name = text(&part[..equals]).ok_or(unclear)?;
        let value = text(&part[equals + 1..]).ok_or(unclear)?;
        if fields.len() > super::MAX_FIELDS {
            // One more than may be: the count is judged by the caller.
            break;
        }
        fields.push(Field { name, content: Content::Text(value), offset });
    }
    Ok(fields)
}

fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.iter().all(|byte| is_plain(*byte) && !b"%+".contains(byte)) {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            _ if is_plain(byte) => byte,
            _ => return None,
        });
    }
    let text = String::from_utf8(decoded).ok()?;
    (!text.contains('\0')).then_some(Cow::Owned(text))
}

/// Bytes that stand for themselves.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}
