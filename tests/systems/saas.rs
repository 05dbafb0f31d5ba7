//! Multi-tenant SaaS: organizations in the path, applications by claim, a support role with masked
//! fields, tickets that belong to whoever asked, billing apart.

use super::system::{System, pointers};
use serde_json::{Value, json};

const CUSTOMER: &str = "/orgs/acme/customers/c1";
const TICKETS: &str = "/orgs/acme/tickets";

fn start() -> System {
    System::start("multi-tenant-saas")
}

#[test]
fn another_organization_does_not_exist() {
    let saas = start();
    for who in ["ola", "tia", "bea"] {
        for target in
            ["/orgs/globex", "/orgs/globex/tickets", "/orgs/globex/customers/c9", "/orgs/no-such"]
        {
            saas.get(who, target).refused(404);
        }
    }
    saas.get("gil", "/orgs/acme/customers/c1").refused(404);
    saas.get("gil", "/orgs/globex/customers/c9").passed(200);
    // The same person is somebody else elsewhere.
    saas.get("sam", CUSTOMER).passed(200);
    saas.get("sam", "/orgs/globex/customers/c9").refused(403);
    saas.get("sam", "/orgs/globex").passed(200);
}

#[test]
fn everybody_reads_the_status_and_every_caller_its_own_pages() {
    let saas = start();
    saas.get("", "/status").passed(200);
    saas.get("", "/me/profile").refused(401);
    saas.get("tia", "/me/profile").passed(200);
    saas.get("", "/orgs/acme").refused(401);
    saas.get("nobody", "/orgs/acme").refused(401);
}

#[test]
fn support_sees_customers_without_what_is_not_its_business() {
    let saas = start();
    let shown =
        json!({"id": "c1", "name": "Initech", "plan": "pro", "payment": {"method": "card"}});
    assert_eq!(saas.get("sam", CUSTOMER).passed(200).json(), shown);
    let list = saas.get("sam", "/orgs/acme/customers").passed(200);
    assert_eq!(list.json(), json!({"data": [shown]}));
    assert!(saas.get("ola", CUSTOMER).passed(200).text().contains("HR12345678901"));
    for who in ["tia", "bea"] {
        saas.get(who, CUSTOMER).refused(403);
    }
    // A query is let through by name: sorting and filtering could ask about what is hidden.
    for query in ["sort=credit_limit", "sort=name", "tax_id=HR12345678901", "q=HR1", "page=2&q=HR1"]
    {
        saas.get("sam", &format!("/orgs/acme/customers?{query}")).refused(403);
    }
    saas.get("ola", "/orgs/acme/customers?sort=credit_limit").passed(200);
    saas.get("sam", "/orgs/acme/customers?page=2").passed(200);
}

#[test]
fn support_changes_what_it_may_and_erases_nothing() {
    let saas = start();
    let body =
        json!({"name": "Initech Ltd", "plan": "free", "tax_id": "x", "payment": {"last4": "0000"}});
    let refused = saas.patch("sam", CUSTOMER, &body).refused(403);
    let mut told = pointers(&refused);
    told.sort();
    assert_eq!(told, ["/payment/last4", "/plan", "/tax_id"]);
    let echo = saas.patch("sam", CUSTOMER, &json!({"name": "Initech Ltd"})).passed(200);
    assert!(!echo.text().contains("HR12345678901"), "{}", echo.text());
    // A PUT replaces: it would erase what the caller cannot see.
    saas.put("sam", CUSTOMER, &json!({"name": "Initech"})).refused(409);
    let stored = saas.store.at(CUSTOMER).expect("the customer");
    assert_eq!(
        (&stored["name"], &stored["tax_id"]),
        (&json!("Initech Ltd"), &json!("HR12345678901"))
    );
    saas.delete("sam", CUSTOMER).refused(403);
}

#[test]
fn a_ticket_belongs_to_whoever_asked() {
    let saas = start();
    let (own, other) = (format!("{TICKETS}/t1"), format!("{TICKETS}/t2"));
    saas.get("tia", &own).passed_after_reading(&own, 200);
    saas.get("tia", &other).refused_after_reading(&other, 404);
    saas.patch("tia", &other, &json!({"subject": "Mine"})).refused_after_reading(&other, 404);
    assert_eq!(saas.store.at(&other).expect("the ticket")["subject"], "Salary slip is wrong");
    saas.patch("tia", &own, &json!({"subject": "Solved"})).passed_after_reading(&own, 200);
    assert_eq!(saas.store.at(&own).expect("the ticket")["subject"], "Solved");
    let list = saas.get("tia", TICKETS).passed(200).json();
    let rows = list["data"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|row| &row["id"]).collect::<Vec<_>>(), ["t1"]);
    // Support and owners see all of them, unread before.
    for who in ["sam", "ola"] {
        saas.get(who, &other).passed(200);
        let list = saas.get(who, TICKETS).passed(200).json();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{who}");
    }
    // A billing manager is a member and no more, here.
    saas.get("bea", &other).refused_after_reading(&other, 404);
}

#[test]
fn billing_is_a_role_of_its_own() {
    let saas = start();
    for (area, letters) in
        [("plan", "ru"), ("invoices/none", "r"), ("payment-methods/none", "crud")]
    {
        let target = format!("/orgs/acme/billing/{area}");
        assert_eq!(saas.letters("bea", &target), letters, "{area}");
        assert_eq!(saas.letters("ola", &target), "crud", "{area}");
        for who in ["tia", "sam"] {
            assert_eq!(saas.letters(who, &target), "", "{who} {area}");
        }
    }
}

#[test]
fn the_application_is_the_one_that_the_credential_was_issued_for() {
    let saas = start();
    let report = "/orgs/acme/reports/churn";
    let seen = saas.get("tom-reports", report);
    assert_eq!((seen.told("app"), seen.told("user")), (Some("reports"), Some("tom")));
    assert_eq!(seen.passed(200).json(), json!({"rate": 0.021}));
    // The same person with a credential for the desk has no role of the other application.
    saas.get("tom", report).refused(403);
    // Who was not given the application does not get past its gate, whatever is asked for.
    for target in [report, "/orgs/acme", TICKETS] {
        let seen = saas.get("bea-reports", target);
        assert_eq!(saas.reason(&seen), "no_app_access");
        seen.refused(404);
    }
    // Given, it opens at the next request.
    saas.edit(
        "{user: bea, org: acme, roles: [billing]}",
        "{user: bea, org: acme, roles: [billing], apps: {reports: []}}",
    );
    saas.get("bea-reports", report).passed(200);
}

#[test]
fn an_owner_administers_its_organization() {
    let saas = start();
    for area in ["members/none", "settings/none", "customers/none", "tickets/none"] {
        let target = format!("/orgs/acme/{area}");
        assert_eq!(saas.letters("ola", &target), "crud", "{area}");
    }
    for who in ["tia", "sam", "bea"] {
        assert_eq!(saas.letters(who, "/orgs/acme/settings/none"), "");
        assert_eq!(saas.letters(who, "/orgs/acme/members/none"), "");
        let members: Value = saas.get(who, "/orgs/acme/members").passed(200).json();
        assert_eq!(members.as_array().map(Vec::len), Some(5));
    }
}
