//! A request body as a tree that keeps number text, in the shape that the validator reads.
//!
//! `serde_json::Value` rounds numbers; here each stays the text that was sent, and the keywords that
//! judge numbers (see [`super::rule`]) read it as a [`Decimal`].

use super::change::Step;
use super::decimal::Decimal;
use crate::filter::fault::Fault;
use crate::filter::key::Key;
use crate::filter::scan::{Digits, Input, is_integral, number, plain, space};
use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<'a> {
    Null,
    Bool(bool),
    /// As it was sent.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Tree<'a>>),
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
    /// In a change: an object or list of which one member or element is known.
    Way(Box<Step<'a>>),
    /// In a change: a value that nobody here has seen.
    Unknown,
    /// In a change: what was there is removed.
    Gone,
}

/// Reads a body whose grammar, depth and keys have been checked already.
pub(super) fn parse(body: &[u8], most: usize) -> Result<Tree<'_>, Fault> {
    let mut reader = Reader { input: Input { bytes: body, base: 0 }, pos: 0, left: most };
    reader.value()
}

struct Reader<'a> {
    input: Input<'a>,
    pos: usize,
    /// How many more values there may be.
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Tree<'a>, Fault> {
        let first = self.peek()?;
        let offset = self.input.offset(self.pos);
        self.left = self.left.checked_sub(1).ok_or(Fault::TooManyValues { offset })?;
        match first {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.text().map(Tree::Text),
            b't' => self.word("true", Tree::Bool(true)),
            b'f' => self.word("false", Tree::Bool(false)),
            b'n' => self.word("null", Tree::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Result<Tree<'a>, Fault> {
        let mut members = Vec::new();
        self.items(b'}', |reader| {
            reader.expect(b'"')?;
            reader.pos -= 1;
            let key = reader.text()?;
            reader.expect(b':')?;
            members.push((key, reader.value()?));
            Ok(())
        })?;
        Ok(Tree::Object(members))
    }

    fn array(&mut self) -> Result<Tree<'a>, Fault> {
        let mut elements = Vec::new();
        self.items(b']', |reader| {
            elements.push(reader.value()?);
            Ok(())
        })?;
        Ok(Tree::Array(elements))
    }

    fn items(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.pos += 1;
        if self.peek()? == end {
            self.pos += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            let byte = self.peek()?;
            self.pos += 1;
            match byte {
                b',' => {}
                byte if byte == end => return Ok(()),
                _ => return Err(self.input.grammar(self.pos - 1)),
            }
        }
    }

    /// From the opening quote on.
    fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        let (start, end) = (self.pos + 1, plain(self.input.bytes, self.pos + 1));
        if self.input.bytes.get(end) == Some(&b'"') {
            self.pos = end + 1;
            return self.str(start, end).map(Cow::Borrowed);
        }
        let mut key = Key::new(usize::MAX);
        self.pos = key.read(self.input, start)?.ok_or(Fault::Truncated)?;
        let bytes = std::mem::take(key.bytes_mut());
        // Half a surrogate pair has been refused before.
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| self.input.grammar(start))
    }

    fn number(&mut self) -> Result<Tree<'a>, Fault> {
        let start = self.pos;
        let (end, read) = number(self.input.bytes, start, Digits::Start);
        if !read.is_whole_number_text() {
            return Err(self.input.grammar(start));
        }
        self.pos = end;
        self.str(start, end).map(Tree::Number)
    }

    fn word(&mut self, word: &str, means: Tree<'a>) -> Result<Tree<'a>, Fault> {
        if !self.input.bytes[self.pos..].starts_with(word.as_bytes()) {
            return Err(self.input.grammar(self.pos));
        }
        self.pos += word.len();
        Ok(means)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek()? != byte {
            return Err(self.input.grammar(self.pos));
        }
        self.pos += 1;
        Ok(())
    }

    fn peek(&mut self) -> Result<u8, Fault> {
        self.pos = space(self.input.bytes, self.pos);
        self.input.bytes.get(self.pos).copied().ok_or(Fault::Truncated)
    }

    fn str(&self, start: usize, end: usize) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(&self.input.bytes[start..end]);
        text.map_err(|_| self.input.grammar(start))
    }
}

impl<'a> Tree<'a> {
    /// The members of an object.
    pub fn members(&self) -> Option<&[(Cow<'a, str>, Tree<'a>)]> {
        match self {
            Tree::Object(members) => Some(members),
            Tree::Way(step) => Some(&step.member),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn member(&self, name: &str) -> Option<&Tree<'a>> {
        match self {
            Tree::Object(members) => {
                members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Whether this is the value that a schema writes.
    pub fn is(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Tree::Null, Value::Null) => true,
            (Tree::Bool(a), Value::Bool(b)) => a == b,
            (Tree::Number(a), Value::Number(b)) => Decimal::of(a) == Decimal::of(&b.to_string()),
            (Tree::Text(a), Value::String(b)) => a == b,
            (Tree::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b))
            }
            (Tree::Object(a), Value::Object(b)) => {
                let equal = |(key, value): &(Cow<'_, str>, Tree<'_>)| {
                    b.get(key.as_ref()).is_some_and(|other| value.is(other))
                };
                a.len() == b.len() && a.iter().all(equal)
            }
            _ => false,
        }
    }

    /// A text that two values share exactly if they are equal.
    fn canonical(&self, out: &mut String) {
        match self {
            Tree::Null => out.push('n'),
            Tree::Bool(value) => out.push(if *value { 't' } else { 'f' }),
            Tree::Number(text) => out.push_str(&Decimal::of(text).to_string()),
            Tree::Text(text) => canonical_text(text, out),
            Tree::Array(elements) => {
                out.push('[');
                for element in elements {
                    element.canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Tree::Object(members) => {
                let sorted: BTreeMap<&str, &Tree<'_>> =
                    members.iter().map(|(key, value)| (key.as_ref(), value)).collect();
                out.push('{');
                for (key, value) in sorted {
                    canonical_text(key, out);
                    value.canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
            // They are in no list whose elements are compared.
            Tree::Way(_) | Tree::Unknown | Tree::Gone => {}
        }
    }
}

/// With its length before it, so that no text can pretend to be structure.
fn canonical_text(text: &str, out: &mut String) {
    write!(out, "\"{}:{text}", text.len()).expect("writing to memory succeeds");
}

/// How the validator is told of [`Tree`].
#[derive(Debug)]
pub(super) struct Exact;

/// A number's text.
pub(super) struct Number<'a>(&'a str);

impl Json for Exact {
    type Node<'a> = &'a Tree<'a>;
    type PreparedKey = String;
    type StringBuffer = Name;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(
        _: &mut Name,
        string: &str,
        judge: impl for<'a> FnOnce(&'a Tree<'a>) -> T,
    ) -> T {
        judge(&Tree::Text(Cow::Borrowed(string)))
    }
}

/// Nothing: a property's name becomes a node where it stands.
#[derive(Debug, Default)]
pub(super) struct Name;

impl<'a> Node<'a, Exact> for &'a Tree<'a> {
    type Object = &'a [(Cow<'a, str>, Tree<'a>)];
    type Array = &'a [Tree<'a>];
    type Number = Number<'a>;

    fn as_object(&self) -> Option<Self::Object> {
        self.members()
    }

    fn as_array(&self) -> Option<Self::Array> {
        match self {
            Tree::Array(elements) => Some(elements),
            Tree::Way(step) if step.is_element() => Some(std::slice::from_ref(&step.member[0].1)),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        if let Tree::Text(text) = self { Some(Cow::Borrowed(text)) } else { None }
    }

    fn as_number(&self) -> Option<Number<'a>> {
        if let Tree::Number(text) = self { Some(Number(text)) } else { None }
    }

    fn as_boolean(&self) -> Option<bool> {
        if let Tree::Bool(value) = self { Some(*value) } else { None }
    }

    fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    fn json_type(&self) -> JsonType {
        match self {
            Tree::Null => JsonType::Null,
            Tree::Bool(_) => JsonType::Boolean,
            Tree::Number(_) => JsonType::Number,
            Tree::Text(_) => JsonType::String,
            Tree::Array(_) => JsonType::Array,
            // `type` is not asked of what is on the way.
            Tree::Object(_) | Tree::Way(_) | Tree::Unknown | Tree::Gone => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        self.is(expected)
    }

    /// Asked for what an error quotes. No error here quotes a value.
    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(Value::Null)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Tree<'_>>(self) as usize))
    }
}

impl JsonNumber for Number<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Owned(0.into())
    }

    fn is_integer(&self) -> bool {
        is_integral(self.0.as_bytes())
    }
}

impl<'a> Object<'a, Exact> for &'a [(Cow<'a, str>, Tree<'a>)] {
    type Node = &'a Tree<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn get(&self, key: &String) -> Option<&'a Tree<'a>> {
        self.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn members(&self) -> Members<'a> {
        Members(self.iter())
    }
}

/// The members of an object, in the order of the body.
pub(super) struct Members<'a>(std::slice::Iter<'a, (Cow<'a, str>, Tree<'a>)>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Tree<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.as_ref(), value))
    }
}

impl<'a> Array<'a, Exact> for &'a [Tree<'a>] {
    type Node = &'a Tree<'a>;
    type ElementsIter = std::slice::Iter<'a, Tree<'a>>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn elements(&self) -> Self::ElementsIter {
        self.iter()
    }

    fn is_unique(&self) -> bool {
        let mut seen = HashSet::new();
        self.iter().all(|element| {
            let mut text = String::new();
            element.canonical(&mut text);
            seen.insert(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(text: &str) -> Tree<'_> {
        parse(text.as_bytes(), 100).unwrap()
    }

    #[test]
    fn a_body_becomes_the_values_that_it_holds() {
        let text = r#" {"a" : [1.50, "x\u0041", {}], "\u00e9":null,"t":true , "f":false,"e":[]} "#;
        let wanted = json!({"a": [1.5, "xA", {}], "é": null, "t": true, "f": false, "e": []});
        assert!(tree(text).is(&wanted), "{:?}", tree(text));
        assert_eq!(tree(text).member("a"), Some(&tree(r#"[1.50,"xA",{}]"#)));
        for other in [json!({}), json!([1]), json!({"a": 1}), json!(null), json!("a")] {
            assert!(!tree(text).is(&other));
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let text = "123456789012345678901234567890.10";
        assert_eq!(tree(text), Tree::Number(text));
        assert!(tree("1e0").is(&json!(1)) && !tree("18446744073709551616").is(&json!(u64::MAX)));
    }

    #[test]
    fn what_is_no_json_is_refused_without_panic() {
        for text in ["", "{", "{\"a\"", "{\"a\":", "[1", "[1 2]", "tru", "-", "\"", "{1:2}", "?"] {
            assert!(parse(text.as_bytes(), 100).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_counted() {
        for (count, fits) in [(8, true), (9, true), (10, false)] {
            let text = format!("[{}]", vec!["0"; count].join(","));
            let read = parse(text.as_bytes(), 10);
            assert_eq!(read.is_ok(), fits, "{read:?}");
        }
    }

    #[test]
    fn elements_are_one_where_they_are_equal() {
        let unique = |text: &str| match tree(text) {
            Tree::Array(elements) => (&elements[..]).is_unique(),
            _ => panic!("an array"),
        };
        for text in [
            "[1,1.0]",
            "[1e400,10e399]",
            r#"["a","\u0061"]"#,
            r#"[{"a":1,"b":2},{"b":2.0,"a":1}]"#,
            "[null,null]",
            "[[],[]]",
        ] {
            assert!(!unique(text), "{text}");
        }
        for text in [
            "[]",
            r#"[1,"1",true,null,"n","t",[],{},[[]]]"#,
            "[10000000000000000000001,10000000000000000000002]",
            r#"[{"a":1},{"a":2},{"b":1}]"#,
            r#"["a,","a"]"#,
            r#"[["1:a","b"],["1:a\"1:b"]]"#,
        ] {
            assert!(unique(text), "{text}");
        }
    }
}
