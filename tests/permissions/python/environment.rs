//! Variables: a granted one has its value, others are absent.

use serde_json::json;

use super::python;

#[test]
fn a_granted_variable_has_its_value_and_another_is_absent() {
    let Some(python) = python() else { return };
    assert_eq!(
        python.value("[os.environ['FOO'], os.getenv('FOO'), 'FOO' in os.environ, os.environ.get('SBX_SECRET'), 'SBX_SECRET' in os.environ]"),
        json!(["foo-value", "foo-value", true, null, false])
    );
}

#[test]
fn a_variable_that_is_not_granted_is_a_key_error_that_can_be_caught() {
    let Some(python) = python() else { return };
    let source =
        "try:\n    os.environ['SBX_SECRET']\n    r = 'read'\nexcept KeyError:\n    r = 'absent'\nr";
    assert_eq!(python.value(source), "absent");
}

#[test]
fn what_a_program_sets_is_its_own() {
    let Some(python) = python() else { return };
    let source = "os.environ['OWN'] = 'v'\nos.environ.setdefault('FOO', 'x')\nr = [os.getenv('OWN'), os.environ['FOO'], os.path.expandvars('$OWN')]\ndel os.environ['OWN']\n[*r, os.getenv('OWN')]";
    assert_eq!(python.value(source), json!(["v", "foo-value", "v", null]));
    assert_eq!(python.value("os.getenv('OWN')"), json!(null));
}

#[test]
fn a_listing_has_what_is_granted_and_nothing_else() {
    let Some(python) = python() else { return };
    let seen =
        python.value("sorted(k for k, v in os.environ.items() if 'CANARY' in v or 'SECRET' in k)");
    assert_eq!(seen, json!([]));
}
