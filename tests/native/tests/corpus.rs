//! Replays what fuzzing found: every stored input goes through its reader again, and every property still holds.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

#[test]
fn every_stored_input_still_satisfies_its_properties() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, check) in targets::ALL {
        let stored = std::fs::read_to_string(folder.join(name).with_extension("txt")).unwrap();
        assert!(stored.lines().count() > 5, "{name} has hardly any inputs");
        for (number, line) in stored.lines().enumerate() {
            let input = STANDARD.decode(line).unwrap();
            let outcome = std::panic::catch_unwind(|| check(&input));
            assert!(outcome.is_ok(), "line {} of {name}.txt", number + 1);
        }
    }
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, targets::names().len(), "a corpus without a target, or the other way round");
}
