//! The slow filter: parses a document into a tree that keeps number text, white space and
//! duplicates, and walks it. It reads masks, and shares nothing else with `src/filter`.

use portcullis::filter::mask::{HIDE, Mask, NodeId, SHOW, Types};
use portcullis::filter::write::Patch;
use std::ops::Range;

/// The limits that the tests run with: the defaults.
const DEPTH: usize = 64;
const KEY: usize = 8192;

/// One parsed value.
pub struct Value {
    /// Where its text stands.
    pub text: Range<usize>,
    pub kind: Kind,
}

pub enum Kind {
    Null,
    Bool,
    Number,
    Text(Vec<u16>),
    Array(Vec<Item>),
    Object(Vec<Item>),
}

/// A member or element: where its text stands (the key too), and the white space around it.
pub struct Item {
    pub lead: Range<usize>,
    pub key: Vec<u16>,
    pub start: usize,
    pub value: Value,
    pub trail: Range<usize>,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

/// Parses as RFC 8259 says, or refuses.
pub fn parse(text: &[u8]) -> Option<Value> {
    std::str::from_utf8(text).ok()?;
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.white();
    let value = parser.value()?;
    parser.white();
    (parser.at == text.len()).then_some(value)
}

impl Parser<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn white(&mut self) -> Range<usize> {
        let start = self.at;
        while b" \t\r\n".contains(&self.peek()) && self.at < self.text.len() {
            self.at += 1;
        }
        start..self.at
    }

    fn value(&mut self) -> Option<Value> {
        let start = self.at;
        let kind = match self.peek() {
            b'{' => Kind::Object(self.items(b'}')?),
            b'[' => Kind::Array(self.items(b']')?),
            b'"' => Kind::Text(self.string()?),
            b'n' => self.word("null", Kind::Null)?,
            b't' => self.word("true", Kind::Bool)?,
            b'f' => self.word("false", Kind::Bool)?,
            _ => self.number()?,
        };
        Some(Value { text: start..self.at, kind })
    }

    fn word(&mut self, word: &str, kind: Kind) -> Option<Kind> {
        let found = self.text[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(kind)
    }

    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(self.at - start)
    }

    fn number(&mut self) -> Option<Kind> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        let zero = self.peek() == b'0';
        let digits = self.digits()?;
        if zero && digits > 1 {
            return None;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if self.peek() | 0x20 == b'e' {
            self.at += 1;
            if b"+-".contains(&self.peek()) && self.at < self.text.len() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(Kind::Number)
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        self.at += 1;
        let mut units = Vec::new();
        loop {
            let rest = std::str::from_utf8(&self.text[self.at..]).ok()?;
            let character = rest.chars().next()?;
            self.at += character.len_utf8();
            match character {
                '"' => return Some(units),
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                _ => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.next()?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
                return u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
            }
            _ => return None,
        };
        Some(plain.into())
    }

    fn items(&mut self, end: u8) -> Option<Vec<Item>> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        self.at += 1;
        let mut items = Vec::new();
        loop {
            let lead = self.white();
            if items.is_empty() && self.peek() == end {
                break;
            }
            let start = self.at;
            let key = if end == b'}' { self.key()? } else { Vec::new() };
            let value = self.value()?;
            let trail = self.white();
            items.push(Item { lead, key, start, value, trail });
            match self.peek() {
                b',' => self.at += 1,
                byte if byte == end => break,
                _ => return None,
            }
        }
        self.at += 1;
        self.depth -= 1;
        Some(items)
    }

    fn key(&mut self) -> Option<Vec<u16>> {
        if self.peek() != b'"' {
            return None;
        }
        let key = self.string()?;
        self.white();
        let colon = self.next()? == b':';
        self.white();
        colon.then_some(key)
    }
}

/// What the mask shows of a document; `None` where it is refused.
pub fn filter(mask: &Mask, text: &[u8]) -> Option<Vec<u8>> {
    let value = parse(text)?;
    let mut walk = Walk { mask, text, unfit: 0 };
    let shown = walk.show(mask.root(), &value)??;
    let mut out = text[..value.text.start].to_vec();
    out.extend(shown);
    out.extend(&text[value.text.end..]);
    Some(out)
}

struct Walk<'a> {
    mask: &'a Mask,
    text: &'a [u8],
    unfit: u32,
}

impl Walk<'_> {
    /// Refused: `None`. Hidden: `Some(None)`.
    fn show(&mut self, id: NodeId, value: &Value) -> Option<Option<Vec<u8>>> {
        if id == SHOW {
            return Some(Some(self.text[value.text.clone()].to_vec()));
        }
        if id == HIDE {
            return Some(None);
        }
        self.unfit |= unfit(self.mask, id, self.text, value);
        let all = self.mask.alternatives();
        if all != 0 && self.unfit & all == all {
            return None;
        }
        if !passes(self.mask.node(id).types, self.text, value) {
            return Some(None);
        }
        match &value.kind {
            Kind::Object(items) => self.members(id, value, items).map(Some),
            Kind::Array(items) => self.elements(id, value, items).map(Some),
            _ => Some(Some(self.text[value.text.clone()].to_vec())),
        }
    }

    fn members(&mut self, id: NodeId, value: &Value, items: &[Item]) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let named = self.mask.node(id).fields.iter().find(|(name, _)| is_name(&item.key, name));
            if named.is_some() && items[..at].iter().any(|before| before.key == item.key) {
                return None;
            }
            if key_bytes(&item.key) > KEY {
                return None;
            }
            let child =
                named.map_or_else(|| unnamed(self.mask, id, &item.key), |(_, child)| *child);
            parts.push(self.part(child, &item.value)?);
        }
        Some(join(self.text, value, items, parts))
    }

    /// Something in a container: what is hidden may leave `null` behind.
    fn part(&mut self, id: NodeId, value: &Value) -> Option<Option<Vec<u8>>> {
        let nulls = self.mask.extra(id).is_some_and(|extra| extra.nulls);
        let shown = self.show(id, value)?;
        Some(shown.or(nulls.then(|| b"null".to_vec())))
    }

    fn elements(&mut self, id: NodeId, value: &Value, items: &[Item]) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let listed = self.mask.extra(id).map(|extra| extra.elements.as_slice()).unwrap_or(&[]);
            let listed = listed.iter().find(|(at, _)| *at == index as u64);
            let child = listed.map_or(self.mask.node(id).items, |(_, child)| *child);
            parts.push(self.part(child, &item.value)?);
        }
        Some(join(self.text, value, items, parts))
    }
}

/// A container with what is left of its items.
pub fn join(all: &[u8], value: &Value, items: &[Item], parts: Vec<Option<Vec<u8>>>) -> Vec<u8> {
    let text = &all[value.text.clone()];
    if items.is_empty() {
        return text.to_vec();
    }
    let mut out = vec![text[0]];
    let last = items.len() - 1;
    for (at, (item, part)) in items.iter().zip(parts).enumerate() {
        let shown = part.is_some();
        if let Some(part) = part {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend(&all[item.lead.clone()]);
            out.extend(&all[item.start..item.value.text.start]);
            out.extend(part);
        }
        if shown || at == last {
            out.extend(&all[item.trail.clone()]);
        }
    }
    out.push(text[text.len() - 1]);
    out
}

/// The node of a member that is no field. The expressions here are `^` with a beginning, or a part.
pub fn unnamed(mask: &Mask, id: NodeId, key: &[u16]) -> NodeId {
    let Some(patterns) = mask.extra(id).map(|extra| &extra.patterns) else {
        return mask.node(id).others;
    };
    let name = String::from_utf16(key);
    let matches = |source: &str| match (&name, source.strip_prefix('^')) {
        (Err(_), _) => true,
        (Ok(name), Some(start)) => name.starts_with(start),
        (Ok(name), None) => name.contains(source),
    };
    let set = patterns.names.iter().map(|name| usize::from(matches(name.source())));
    match (patterns.names.is_empty(), set.rev().fold(0, |bits, bit| bits << 1 | bit)) {
        (false, _) if name.is_err() => HIDE,
        (_, 0) => mask.node(id).others,
        (_, bits) => patterns.table[bits],
    }
}

fn key_bytes(key: &[u16]) -> usize {
    String::from_utf16_lossy(key).len()
}

pub fn is_name(key: &[u16], name: &str) -> bool {
    name.encode_utf16().eq(key.iter().copied())
}

fn unfit(mask: &Mask, id: NodeId, text: &[u8], value: &Value) -> u32 {
    let node = mask.node(id);
    let listed = mask.extra(id).map(|extra| extra.ways.as_slice()).unwrap_or(&[]);
    (0..32).map(|shift| 1 << shift).filter(|bit| node.way & bit != 0).fold(0, |sum, bit| {
        let of_its_own = listed.iter().find(|(bits, _)| bits & bit != 0);
        let types = of_its_own.map_or(node.types, |(_, types)| *types);
        if passes(types, text, value) { sum } else { sum | bit }
    })
}

pub fn passes(types: Types, text: &[u8], value: &Value) -> bool {
    match &value.kind {
        Kind::Null => types.has(Types::NULL),
        Kind::Bool => types.has(Types::BOOLEAN),
        Kind::Text(_) => types.has(Types::STRING),
        Kind::Array(_) => types.has(Types::ARRAY),
        Kind::Object(_) => types.has(Types::OBJECT),
        Kind::Number => {
            let integral = is_integral(std::str::from_utf8(&text[value.text.clone()]).unwrap());
            types.has(Types::NUMBER) || (types.has(Types::INTEGER) && integral)
        }
    }
}

/// Writes the number out in full and looks behind the point. No mantissa here has 300 digits, so a
/// larger exponent is as good as that.
fn is_integral(number: &str) -> bool {
    let lower = number.trim_start_matches('-').to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift = exponent.parse::<f64>().unwrap().clamp(-300.0, 300.0) as i64;
    let pad = "0".repeat(400);
    let point = 400 + whole.len() as i64 + shift;
    let digits = format!("{pad}{whole}{fraction}{pad}");
    digits[usize::try_from(point).unwrap()..].bytes().all(|digit| digit == b'0')
}

/// What a write check should say.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    Invalid,
    Fields(Vec<String>),
    Types(Vec<String>),
}

pub fn check(mask: &Mask, text: &[u8], patch: Patch) -> Verdict {
    let Some(value) = parse(text).filter(|value| !is_ambiguous(value)) else {
        return Verdict::Invalid;
    };
    let mut judge =
        Judge { mask, text, fields: Vec::new(), types: Vec::new(), unfit: 0, variants: false };
    judge.value(mask.root(), &value, patch, String::new());
    let all = mask.alternatives();
    if all != 0 && judge.unfit & all == all && judge.types.is_empty() {
        judge.types.push(String::new());
    }
    match judge {
        Judge { variants: true, .. } => Verdict::Invalid,
        Judge { fields, .. } if !fields.is_empty() => Verdict::Fields(fields),
        Judge { types, .. } if !types.is_empty() => Verdict::Types(types),
        _ => Verdict::Fine,
    }
}

/// Duplicates, lone surrogates, U+0000 in a key: anywhere.
fn is_ambiguous(value: &Value) -> bool {
    match &value.kind {
        Kind::Text(units) => String::from_utf16(units).is_err(),
        Kind::Array(items) => items.iter().any(|item| is_ambiguous(&item.value)),
        Kind::Object(items) => items.iter().enumerate().any(|(at, item)| {
            items[..at].iter().any(|before| before.key == item.key)
                || item.key.contains(&0)
                || String::from_utf16(&item.key).is_err()
                || is_ambiguous(&item.value)
        }),
        _ => false,
    }
}

struct Judge<'a> {
    mask: &'a Mask,
    text: &'a [u8],
    fields: Vec<String>,
    types: Vec<String>,
    unfit: u32,
    variants: bool,
}

impl Judge<'_> {
    fn value(&mut self, id: NodeId, value: &Value, patch: Patch, at: String) {
        let (mask, node) = (self.mask, self.mask.node(id));
        let merging = patch == Patch::Merge;
        let is_object = matches!(value.kind, Kind::Object(_));
        let hides_elements = node.types.has(Types::ARRAY) && hides(mask, node.items, &mut vec![]);
        if id == SHOW {
            return;
        } else if id == HIDE {
            self.fields.push(at);
            return;
        } else if merging && (hides_elements || !is_object && hides(mask, id, &mut vec![])) {
            self.fields.push(at.clone());
        } else if !(merging && matches!(value.kind, Kind::Null)) {
            self.unfit |= unfit(mask, id, self.text, value);
            if node.types == Types::NONE {
                return self.fields.push(at);
            }
            if !passes(node.types, self.text, value) {
                return self.types.push(at);
            }
        }
        match &value.kind {
            Kind::Object(items) => self.members(id, items, patch, &at),
            Kind::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
                self.value(node.items, &item.value, Patch::No, format!("{at}/{index}"));
            }),
            _ => {}
        }
    }

    fn members(&mut self, id: NodeId, items: &[Item], patch: Patch, at: &str) {
        let fields = &self.mask.node(id).fields;
        let find = |key: &str| fields.iter().find(|(name, _)| **name == *key).map(|(_, id)| *id);
        let lower = |item: &Item| String::from_utf16(&item.key).unwrap().to_lowercase();
        for item in items {
            let key = String::from_utf16(&item.key).unwrap();
            let alike = items.iter().filter(|other| lower(other) == lower(item)).count();
            self.variants |= find(&key).is_some() && alike > 1;
            let child = find(&key).unwrap_or_else(|| self.other(id, &lower(item), &item.key));
            let token = key.replace('~', "~0").replace('/', "~1");
            self.value(child, &item.value, patch, format!("{at}/{token}"));
        }
    }
}

impl Judge<'_> {
    /// What applies to a key that is no field's name. Where it is one but for its case, and the
    /// field hides something, that; nothing where both limit it.
    fn other(&self, id: NodeId, key: &str, spelled: &[u16]) -> NodeId {
        let own = unnamed(self.mask, id, spelled);
        let node = self.mask.node(id);
        let alike = node.fields.iter().filter(|(name, _)| name.to_lowercase() == key);
        let strict = |child: &NodeId| hides(self.mask, *child, &mut vec![]);
        let mut strict: Vec<_> = alike.map(|(_, id)| *id).filter(strict).collect();
        strict.sort_by_key(|id| *id != HIDE);
        match strict.as_slice() {
            [] => own,
            [HIDE, ..] => HIDE,
            [.., last] if own == SHOW || own == *last => *last,
            _ => HIDE,
        }
    }
}

fn hides(mask: &Mask, id: NodeId, seen: &mut Vec<NodeId>) -> bool {
    let node = mask.node(id);
    if id == HIDE || node.types == Types::NONE {
        return true;
    }
    if seen.contains(&id) {
        return false;
    }
    seen.push(id);
    let object = node.types.has(Types::OBJECT);
    let array = node.types.has(Types::ARRAY);
    let shapes = mask.extra(id).into_iter().flat_map(|extra| extra.patterns.table.iter().skip(1));
    let members = node.fields.iter().map(|(_, id)| *id).chain([node.others]).chain(shapes.copied());
    let elements = [node.items].into_iter();
    let members = members.filter(|_| object);
    let elements = elements.filter(|_| array);
    members.chain(elements).any(|id| hides(mask, id, seen))
}
