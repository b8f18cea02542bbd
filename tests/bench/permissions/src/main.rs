//! Resolves what an account may do, as `tests/bench/permissions.mjs` asks for it: the account with most of everything, by
//! the largest registry or by one that defines only what the account holds.
//!
//! Every line of standard input is `largest PASSES` or `own PASSES`, answered with the microseconds of one resolution.

use postern_core::config::Config;
use postern_core::permission::{
    AuthorizationSnapshot, DefinedSet, Definitions, MaskWidth, PermissionMask, SetKind,
};
use std::error::Error;
use std::hint::black_box;
use std::io::{self, BufRead as _, Write as _};
use std::time::Instant;

/// Not 512: four bits are never allocated.
const PERMISSIONS: usize = 508;
/// What each role or group grants: 1,100 of them together grant what may be granted at most.
const GRANTS: usize = Definitions::MOST_GRANTS / 1_100;

fn sets(kind: SetKind, count: usize) -> Vec<DefinedSet> {
    let granted = |set: usize| {
        let places =
            (0..GRANTS).map(|step| (set.wrapping_mul(31).wrapping_add(step.wrapping_mul(17))) % PERMISSIONS);
        places.filter_map(|place| u16::try_from(place).ok()).collect()
    };
    (0..count)
        .map(|set| DefinedSet { name: format!("{}{set}", kind.as_str()), permissions: granted(set) })
        .collect()
}

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind}{number}")).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::from_json(r#"{"issuer": "https://auth.example", "permissions": {"runtime": true}}"#)
        .map_err(|_| "the configuration is refused")?;
    let joined = |roles, groups| {
        let mut definitions = Definitions::empty(MaskWidth::Bits512);
        let permissions = (0..PERMISSIONS).map(|number| format!("documents:action-{number}").parse());
        definitions.permissions = permissions.collect::<Result<_, _>>()?;
        definitions.roles = sets(SetKind::Role, roles);
        definitions.groups = sets(SetKind::Group, groups);
        config.permissions().with_definitions(&definitions).map_err(Box::<dyn Error>::from)
    };
    let (roles, groups) = (AuthorizationSnapshot::MOST_ROLES, AuthorizationSnapshot::MOST_GROUPS);
    let largest = joined(SetKind::Role.most(), SetKind::Group.most())?;
    let own = joined(roles, groups)?;
    let given = AuthorizationSnapshot {
        groups: names("group", groups),
        permissions: names("documents:action-", AuthorizationSnapshot::MOST_PERMISSIONS),
        ..AuthorizationSnapshot::of_roles(names("role", roles))
    };
    if largest.mask_of(&given) != own.mask_of(&given)
        || largest.mask_of(&given) == PermissionMask::empty(MaskWidth::Bits512)
        || (largest.roles.len(), largest.groups.len()) != (1_000, 100)
    {
        return Err("the account may not do what it should".into());
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (name, passes) = line.split_once(' ').ok_or("a command has two words")?;
        let settings = match name {
            "largest" => &largest,
            "own" => &own,
            _ => return Err("no such registry".into()),
        };
        let passes: u32 = passes.parse()?;
        let start = Instant::now();
        for _ in 0..passes {
            black_box(settings.mask_of(black_box(&given)));
        }
        writeln!(io::stdout(), "{}", start.elapsed().as_secs_f64() * 1e6 / f64::from(passes))?;
    }
    Ok(())
}
