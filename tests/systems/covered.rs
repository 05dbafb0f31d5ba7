//! `docs/systems.md` against the tests: every statement stands in its tables with the tests that
//! there are, and the figure that it gives is true.

use crate::readme::page::{Page, root};
use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

/// A system's statements.
struct Statements {
    /// Of its table in the page.
    heading: &'static str,
    /// With its tests, below `tests/systems/`.
    file: &'static str,
    letter: char,
    numbers: RangeInclusive<u32>,
    /// Numbers that are no statement.
    none: &'static [u32],
}

const SYSTEMS: [Statements; 5] = [
    Statements { heading: "Layer", file: "layer", letter: 'L', numbers: 1..=30, none: &[15] },
    Statements {
        heading: "AccessLayer",
        file: "accesslayer",
        letter: 'A',
        numbers: 1..=19,
        none: &[12],
    },
    Statements { heading: "EVRYTHNG", file: "evrythng", letter: 'E', numbers: 1..=30, none: &[] },
    Statements { heading: "Nexmo", file: "nexmo", letter: 'N', numbers: 1..=15, none: &[] },
    Statements { heading: "Frontegg", file: "frontegg", letter: 'F', numbers: 1..=22, none: &[5] },
];

/// What stands where a statement is about administration alone.
const LATER: &str = "administration: later";

/// A statement's id.
type Id = (char, u32);

/// A row of a table: what it is about, and the tests that it names.
struct Row {
    ids: Vec<Id>,
    tests: Vec<String>,
    is_later: bool,
}

#[test]
#[expect(clippy::print_stdout, reason = "the figure is looked for in the output of the run")]
fn every_statement_is_tested_or_said_to_come_later() {
    let page = Page::read("docs/systems.md");
    let (mut covered, mut total) = (0, 0);
    for Statements { heading, file, letter, numbers, none } in SYSTEMS {
        let rows: Vec<Row> = page.rows(heading).iter().skip(1).map(|row| read(row)).collect();
        let listed: Vec<Id> = rows.iter().flat_map(|row| row.ids.clone()).collect();
        let all: Vec<Id> = numbers.filter(|n| !none.contains(n)).map(|n| (letter, n)).collect();
        assert_eq!(sorted(&listed), all, "{heading}: each statement once");
        let there = tests_of(file);
        let named: BTreeSet<String> = rows.iter().flat_map(|row| row.tests.clone()).collect();
        assert_eq!(named, there, "{heading}: the tests of the tables and those of {file}.rs");
        rows.iter().for_each(check);
        covered += rows.iter().filter(|row| !row.tests.is_empty()).flat_map(|row| &row.ids).count();
        total += all.len();
    }
    println!("statements: {covered} of {total}");
    let figure = format!("**{covered} of {total}**");
    assert!(page.text().contains(&figure), "docs/systems.md does not say {figure}");
}

/// Every statement of a row is named by one of its tests, or comes later.
fn check(row: &Row) {
    let named: BTreeSet<Id> = row.tests.iter().flat_map(|test| ids_of_test(test)).collect();
    assert_eq!(row.tests.is_empty(), row.is_later && named.is_empty(), "{:?}", row.ids);
    for id in &row.ids {
        assert!(
            row.tests.is_empty() || named.contains(id),
            "{id:?} is in no name of {:?}",
            row.tests
        );
    }
}

fn read(cells: &[String]) -> Row {
    let [ids, _rule, tests] = cells else { panic!("three cells: {cells:?}") };
    let tests: Vec<_> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Row { ids: ids.split(", ").map(id).collect(), is_later: cells[2] == LATER, tests }
}

/// `L8`
fn id(text: &str) -> Id {
    let letter = text.chars().next().expect("an id");
    (letter, text[1..].parse().unwrap_or_else(|_| panic!("`{text}` is no id")))
}

/// The ids that a test's name begins with: `l08_l19_an_administrator…`.
fn ids_of_test(name: &str) -> Vec<Id> {
    let is_id =
        |part: &&str| part.len() == 3 && part[1..].bytes().all(|byte| byte.is_ascii_digit());
    name.split('_').take_while(is_id).map(|part| id(&part.to_uppercase())).collect()
}

/// The names of a file's tests.
fn tests_of(file: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(root().join(format!("tests/systems/{file}.rs"))).expect(file);
    let after = source.split("#[test]\nfn ").skip(1);
    after.map(|rest| rest.split('(').next().expect("a name").to_owned()).collect()
}

fn sorted(ids: &[Id]) -> Vec<Id> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

#[test]
fn names_carry_ids() {
    assert_eq!(ids_of_test("l08_l19_an_administrator"), [('L', 8), ('L', 19)]);
    assert_eq!(ids_of_test("a_name_without"), []);
    let row = ["L1, L2", "a rule", "`l01_x`; the rest: administration, later"].map(str::to_owned);
    let row = read(&row);
    assert_eq!(
        (row.ids, row.tests, row.is_later),
        (vec![('L', 1), ('L', 2)], vec!["l01_x".into()], false)
    );
}
