//! What must hold of every story, whatever happened in it.

use super::proxy::{Phase, Told};
use super::server::{Command, Effect, Id, Op, Reply};
use super::world::World;

/// Says what does not hold.
pub(super) fn judge(world: &World) -> Result<(), String> {
    let verdict = once(world)
        .and_then(|()| answered(world))
        .and_then(|()| truthful(world))
        .and_then(|()| transactions(world))
        .and_then(|()| watches(world))
        .and_then(|()| departed(world));
    verdict.map_err(|fault| {
        let told: Vec<_> = world.sent.iter().zip(&world.proxy.told).collect();
        let effects: Vec<_> = world.effects().collect();
        format!("{fault}\ntold: {told:#?}\neffects: {effects:#?}")
    })
}

fn demand(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn effects_of(world: &World, id: Id) -> Vec<&Effect> {
    world.effects().filter(|effect| effect.id == id).collect()
}

/// The client's commands with what it was told about each.
fn exchanges(world: &World) -> impl Iterator<Item = (&Command, &Told)> {
    world.sent.iter().zip(&world.proxy.told)
}

/// Nothing is executed twice, all nodes taken together, but a pop that waited.
fn once(world: &World) -> Result<(), String> {
    for command in &world.sent {
        let effects = effects_of(world, command.id);
        let waits = command.op == Op::Pop && effects.iter().all(|effect| effect.exec.is_none());
        let exempt = command.op == Op::Read || (waits && world.setting.resume_blocking);
        demand(exempt || effects.len() <= 1, || {
            format!("{command:?} was executed {} times", effects.len())
        })?;
    }
    Ok(())
}

/// Every command has one reply, and each reply is its own.
fn answered(world: &World) -> Result<(), String> {
    let (sent, told) = (world.sent.len(), world.proxy.told.len());
    demand(told <= sent, || format!("{told} replies to {sent}"))?;
    let complete = told == sent || world.proxy.phase != Phase::Open;
    demand(complete, || format!("{told} replies to {sent}"))?;
    for (command, told) in exchanges(world) {
        demand(told.of.is_none_or(|id| id == command.id), || {
            format!("{command:?} got a stranger's reply {told:?}")
        })?;
    }
    Ok(())
}

/// What the client is told of a command is so.
fn truthful(world: &World) -> Result<(), String> {
    for (command, told) in exchanges(world) {
        let effects = effects_of(world, command.id);
        let holds = match (&told.reply, command.op) {
            (Reply::Done, _) => effects.iter().any(|effect| Some(effect.conn) == told.conn),
            (Reply::NotExecuted | Reply::Error | Reply::Nil, _) => effects.is_empty(),
            (Reply::Executed(ids), _) => ids.iter().all(|id| is_done(world, *id, told)),
            (Reply::Ok, Op::Write | Op::Read | Op::Pop | Op::Exec | Op::Node) => false,
            // Passed on only where it cannot be acted on.
            (Reply::NotPrimary, op) => {
                (!command.kept || matches!(op, Op::Node | Op::Wait)) && effects.is_empty()
            }
            (Reply::Zero, op) => op == Op::Wait,
            (Reply::Queued, op) => !matches!(op, Op::Exec | Op::Discard),
            (Reply::Aborted, op) => op == Op::Exec,
            _ => true,
        };
        let exempt = command.op == Op::Read && told.reply != Reply::Done
            || command.op == Op::Pop && told.reply == Reply::Nil;
        demand(holds || exempt, || format!("{command:?}: {told:?}"))?;
    }
    Ok(())
}

fn is_done(world: &World, id: Id, told: &Told) -> bool {
    let op = world.sent.iter().find(|command| command.id == id);
    let counts = op.is_some_and(|command| matches!(command.op, Op::Write | Op::Read));
    let done = |effect: &&Effect| effect.id == id && effect.exec == told.of;
    !counts || world.effects().any(|effect| done(&effect))
}

/// All of a transaction's writes are executed, by its EXEC, or none is.
fn transactions(world: &World) -> Result<(), String> {
    if world.setting.forbids_multi {
        // What is sent after a refused MULTI is executed as it comes.
        return Ok(());
    }
    let mut members: Option<Vec<Id>> = None;
    let mut spoiled = false;
    for (command, told) in exchanges(world) {
        match (command.op, &mut members) {
            (Op::Multi, None) if told.reply != Reply::Error => members = Some(Vec::new()),
            (Op::Write, Some(members)) => {
                members.push(command.id);
                spoiled |= told.reply == Reply::NotPrimary;
            }
            (Op::Multi | Op::Watch, Some(_)) => spoiled |= told.reply == Reply::Error,
            (Op::Exec | Op::Discard, Some(_)) => {
                let members = members.take().unwrap_or_default();
                whole(world, command, told, &members)?;
                let done = members.iter().any(|id| !effects_of(world, *id).is_empty());
                let was_spoiled = std::mem::take(&mut spoiled);
                demand(!done || !was_spoiled, || {
                    format!("executed, although a part was refused: {members:?}")
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn whole(world: &World, end: &Command, told: &Told, members: &[Id]) -> Result<(), String> {
    let effects: Vec<_> = members
        .iter()
        .flat_map(|id| effects_of(world, *id))
        .collect();
    demand(effects.is_empty() || effects.len() == members.len(), || {
        format!("a part of a transaction was executed: {members:?}")
    })?;
    let inside = |effect: &&&Effect| effect.exec == Some(end.id);
    demand(
        effects.iter().filter(inside).count() == effects.len(),
        || format!("executed outside its EXEC: {members:?}"),
    )?;
    let may_be = matches!(told.reply, Reply::Executed(_) | Reply::Uncertain);
    demand(effects.is_empty() || may_be, || {
        format!("executed, and the client was told {:?}", told.reply)
    })?;
    let claims = matches!(told.reply, Reply::Executed(_));
    demand(!claims || effects.len() == members.len(), || {
        format!("not executed, and the client was told {:?}", told.reply)
    })
}

/// An EXEC is executed only on the connection that its watches live on.
fn watches(world: &World) -> Result<(), String> {
    let mut live: Vec<u32> = Vec::new();
    let mut in_multi = false;
    for (command, told) in exchanges(world) {
        match command.op {
            Op::Multi if told.reply == Reply::Ok => in_multi = true,
            Op::Watch if told.reply == Reply::Ok => live.extend(told.conn),
            Op::Unwatch if told.reply == Reply::Ok && !in_multi => live.clear(),
            Op::Exec | Op::Discard if in_multi => {
                // On an earlier one the WATCH had been asked too, before it was asked again.
                let stray = |effect: &&Effect| {
                    effect.exec == Some(command.id) && live.iter().any(|conn| *conn < effect.conn)
                };
                demand(world.effects().find(stray).is_none(), || {
                    format!("{command:?} was executed although its watch was lost")
                })?;
                live.clear();
                in_multi = false;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was held for a client that has left is not sent any more.
fn departed(world: &World) -> Result<(), String> {
    let (held, conns) = &world.held_at_leave;
    let sent = |effect: &&Effect| held.contains(&effect.id) && effect.conn > *conns;
    demand(world.effects().find(sent).is_none(), || {
        "what was held for a client that has left was executed".to_owned()
    })
}
