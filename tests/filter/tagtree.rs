//! The tree, for documents whose objects say by a tag what they are. It reads the masks of the cases
//! one by one and knows nothing of how they are joined.

use super::oracle::{self, Item, Kind, Value, is_name, join, passes, unnamed};
use portcullis::filter::algebra::intersect;
use portcullis::filter::anywhere::Case;
use portcullis::filter::mask::{HIDE, Mask, NodeId, SHOW};

/// Where objects with tags are, and what is seen of them.
#[derive(Debug)]
pub struct Spec {
    /// `None`: everywhere.
    pub pointer: Option<Vec<&'static str>>,
    pub field: &'static str,
    pub cases: Vec<Case>,
    /// Bytes within which a tag must have been read.
    pub object: usize,
}

/// What applies to a value: nodes of the cases' masks, each with the number of its mask; the last
/// mask is what all cases show.
type Applies = Vec<(usize, NodeId)>;

enum Called {
    Case(usize),
    SomethingElse,
    Nothing,
    Unclear,
}

/// What passes of a document; `None` where it is refused.
pub fn filter(spec: &Spec, text: &[u8]) -> Option<Vec<u8>> {
    let value = oracle::parse(text)?;
    let masks: Vec<Mask> = spec.cases.iter().map(|case| case.mask.clone()).collect();
    let all = masks.iter().fold(Mask::show(), |all, mask| intersect(&all, mask));
    let walk = Walk { spec, text, masks: masks.into_iter().chain([all]).collect() };
    if walk.has_two_tags(&value, 0) {
        return None;
    }
    let shown = walk.show(&value, Vec::new(), false, Some(0))?.ok()?;
    Some([&text[..value.text.start], &shown, &text[value.text.end..]].concat())
}

struct Walk<'a> {
    spec: &'a Spec,
    text: &'a [u8],
    masks: Vec<Mask>,
}

struct Hidden;

type Shown = Option<Result<Vec<u8>, Hidden>>;

impl Walk<'_> {
    /// `way`: how many steps of the pointer lead here.
    fn show(&self, value: &Value, applies: Applies, within: bool, way: Option<usize>) -> Shown {
        let pointer = self.spec.pointer.as_ref();
        let at_place = pointer.is_none_or(|pointer| way == Some(pointer.len()));
        let (mut applies, mut within) = (Some(applies), within);
        if let (Kind::Object(items), true) = (&value.kind, at_place) {
            let last = self.masks.len() - 1;
            match self.called(value, items) {
                Called::Case(at) => {
                    applies = applies.and_then(|applies| self.also(applies, at));
                    within = true;
                }
                Called::SomethingElse => {}
                Called::Nothing if within && pointer.is_none() => {}
                Called::Nothing | Called::Unclear => {
                    applies = applies.and_then(|applies| self.also(applies, last));
                }
            }
        } else if at_place && pointer.is_some() {
            applies = applies.and_then(|applies| self.also(applies, self.masks.len() - 1));
        }
        let hides = |applies: &Applies| applies.iter().any(|(_, id)| *id == HIDE);
        let Some(applies) = applies.filter(|applies| !hides(applies)) else {
            return Some(Err(Hidden));
        };
        let fits = |(mask, id): &(usize, NodeId)| {
            passes(self.masks[*mask].node(*id).types, self.text, value)
        };
        if !applies.iter().all(fits) {
            if at_place && pointer.is_some() {
                return None;
            }
            return Some(Err(Hidden));
        }
        let way = way.filter(|way| pointer.is_some_and(|pointer| *way < pointer.len()));
        let step = way.and_then(|way| pointer.map(|pointer| pointer[way]));
        match (step, &value.kind) {
            (Some("*"), Kind::Array(_)) | (None | Some(_), Kind::Object(_)) | (None, _) => {}
            _ => return None,
        }
        match &value.kind {
            Kind::Object(items) => self.members(value, items, &applies, within, way),
            Kind::Array(items) => self.elements(value, items, &applies, within, way),
            _ => Some(Ok(self.text[value.text.clone()].to_vec())),
        }
    }

    /// One more mask applies; hidden where two others do.
    fn also(&self, mut applies: Applies, mask: usize) -> Option<Applies> {
        let root = self.masks[mask].root();
        if root == SHOW || applies.contains(&(mask, root)) {
            return Some(applies);
        }
        applies.push((mask, root));
        (applies.len() < 3).then_some(applies)
    }

    fn called(&self, value: &Value, items: &[Item]) -> Called {
        let began = value.text.start;
        let late = |end: usize| end - began > self.spec.object;
        let Some(item) = items.iter().find(|item| is_name(&item.key, self.spec.field)) else {
            return if late(value.text.end) { Called::Unclear } else { Called::Nothing };
        };
        let Kind::Text(units) = &item.value.kind else { return Called::Unclear };
        match String::from_utf16(units) {
            Ok(_) if late(item.value.text.end) => Called::Unclear,
            Err(_) => Called::Unclear,
            Ok(tag) => {
                let case = self.spec.cases.iter().position(|case| *case.value == *tag);
                case.map_or(Called::SomethingElse, Called::Case)
            }
        }
    }

    /// Whether an object that is asked for its tag has two.
    fn has_two_tags(&self, value: &Value, depth: usize) -> bool {
        let (Kind::Object(items) | Kind::Array(items)) = &value.kind else { return false };
        let pointer = self.spec.pointer.as_ref();
        let is_object = matches!(value.kind, Kind::Object(_));
        let asked = is_object && pointer.is_none_or(|pointer| pointer.len() == depth);
        let tags = items.iter().filter(|item| is_name(&item.key, self.spec.field));
        if asked && tags.count() > 1 {
            return true;
        }
        let leads = |(index, item): &(usize, &Item)| {
            pointer.is_none_or(|pointer| {
                pointer.get(depth).is_some_and(|step| is_step(step, is_object, item, *index))
            })
        };
        let mut inside = items.iter().enumerate().filter(leads);
        inside.any(|(_, item)| self.has_two_tags(&item.value, depth + 1))
    }

    fn next(&self, way: Option<usize>, object: bool, item: &Item, index: usize) -> Option<usize> {
        let step = self.spec.pointer.as_ref()?.get(way?)?;
        is_step(step, object, item, index).then_some(way? + 1)
    }

    fn members(
        &self,
        value: &Value,
        items: &[Item],
        applies: &Applies,
        within: bool,
        way: Option<usize>,
    ) -> Shown {
        let mut parts = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let mut children = Applies::new();
            for (mask, id) in applies {
                let fields = &self.masks[*mask].node(*id).fields;
                let named = fields.iter().find(|(name, _)| is_name(&item.key, name));
                if named.is_some() && items[..at].iter().any(|before| before.key == item.key) {
                    return None;
                }
                let child = named
                    .map_or_else(|| unnamed(&self.masks[*mask], *id, &item.key), |(_, id)| *id);
                children.push((*mask, child));
            }
            let named_on_way = self.next(way, true, item, at).is_some()
                && !self.spec.pointer.as_ref()?[way?].contains('*');
            if named_on_way && items[..at].iter().any(|before| before.key == item.key) {
                return None;
            }
            let next = self.next(way, true, item, at);
            parts.push(self.part(&item.value, children, within, next)?);
        }
        Some(Ok(join(self.text, value, items, parts)))
    }

    fn elements(
        &self,
        value: &Value,
        items: &[Item],
        applies: &Applies,
        within: bool,
        way: Option<usize>,
    ) -> Shown {
        let mut parts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let child = |(mask, id): &(usize, NodeId)| {
                (*mask, self.masks[*mask].element(*id, index as u64))
            };
            let next = self.next(way, false, item, index);
            parts.push(self.part(
                &item.value,
                applies.iter().map(child).collect(),
                within,
                next,
            )?);
        }
        Some(Ok(join(self.text, value, items, parts)))
    }

    fn part(
        &self,
        value: &Value,
        mut applies: Applies,
        within: bool,
        way: Option<usize>,
    ) -> Option<Option<Vec<u8>>> {
        applies.retain(|(_, id)| *id != SHOW);
        applies.dedup();
        Some(self.show(value, applies, within, way)?.ok())
    }
}

fn is_step(step: &str, object: bool, item: &Item, index: usize) -> bool {
    step == "*" || if object { is_name(&item.key, step) } else { *step == index.to_string() }
}
