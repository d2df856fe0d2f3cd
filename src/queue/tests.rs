use std::fs;
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::runs::RunFolder;

/// A preset of this name.
fn preset(name: &str) -> Preset {
    let text = "[model]\nid = \"org/name\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1e-3\n";
    Preset::parse(name, "test.toml", text, &[], Path::new("/cache")).unwrap()
}

fn runs() -> (TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::of(folder.path());
    (folder, queue)
}

fn add(queue: &Queue, name: &str) -> u64 {
    queue.add(&preset(name), None, Path::new("/cache")).unwrap().id
}

fn ids(queue: &Queue) -> Vec<u64> {
    queue.list().unwrap().iter().map(|entry| entry.id).collect()
}

fn take(queue: &Queue) -> Option<Taken> {
    match queue.take_next().unwrap() {
        Next::Take(taken) => Some(*taken),
        Next::Wait(_) | Next::Empty => None,
    }
}

#[test]
fn an_entry_holds_the_whole_preset_with_its_overrides() {
    let (_folder, queue) = runs();
    assert_eq!(queue.list().unwrap(), []);
    let overrides = ["train.epochs=7".to_owned(), "data.path=\"x/y\"".to_owned()];
    let text =
        "about = \"it's\\n'''\"\n[model]\nid = \"org/name\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1e-3\n";
    let preset = Preset::parse("mine", "mine.toml", text, &overrides, Path::new("/cache")).unwrap();
    let added = queue.add(&preset, Some("first"), Path::new("/cache")).unwrap();
    assert_eq!(queue.list().unwrap(), std::slice::from_ref(&added));
    let read = added.preset(Path::new("/cache")).unwrap();
    assert_eq!((read.train.epochs, read.about.as_str(), added.name()), (7, "it's\n'''", "first"));
    // Seen from any folder.
    let here = std::env::current_dir().unwrap();
    assert!(added.toml.contains(&format!("{}/x/y", here.display())), "{}", added.toml);
}

#[test]
fn names_are_checked_before_anything_waits_for_hours() {
    let (folder, queue) = runs();
    let add = |name: &str| queue.add(&preset("demo"), Some(name), Path::new("/cache"));
    add("mine").unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    for (name, message) in [("a/b", "letters, digits"), ("mine", "queued already, as 1"), ("taken", "this name exists")]
    {
        let error = add(name).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
    }
    assert_eq!(ids(&queue), [1]);
}

#[test]
fn a_damaged_file_is_an_error_with_its_line_and_is_not_overwritten() {
    let (folder, queue) = runs();
    add(&queue, "demo");
    let path = folder.path().join(".queue/queue.toml");
    let good = fs::read_to_string(&path).unwrap();
    let unknown = good.replace("preset =", "presett =");
    let cut = &good[..good.len() / 2];
    for bad in
        ["next = 3\n[[entry]", "next = -1", "", "\0", cut, &unknown, "next = 1\n[[entry]]\nid = 1\nqueued = \"now\""]
    {
        fs::write(&path, bad).unwrap();
        let errors = [
            queue.list().unwrap_err(),
            queue.take_next().unwrap_err(),
            queue.remove(1).unwrap_err(),
            queue.add(&preset("demo"), None, Path::new("/cache")).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(
                error.is::<Usage>() && text.contains("queue.toml:") && text.contains("correct it, or delete"),
                "{text}"
            );
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(ids(&queue), [1]);
}

#[test]
fn an_entry_is_queued_again_when_its_process_ends_without_an_outcome() {
    let (_folder, queue) = runs();
    add(&queue, "a");
    let taken = take(&queue).unwrap();
    assert_eq!(queue.list().unwrap()[0].state, EntryState::Starting);
    assert!(queue.remove(1).unwrap_err().to_string().contains("is starting"));
    // As the end of the process does.
    drop(taken);
    assert_eq!(queue.list().unwrap()[0].state, EntryState::Queued);
    take(&queue).unwrap().started().unwrap();
    assert!(ids(&queue).is_empty());
    // A number is not given twice.
    assert_eq!(add(&queue, "b"), 2);
}

#[test]
fn a_failed_start_stays_with_its_error_and_does_not_block_the_next() {
    let (_folder, queue) = runs();
    add(&queue, "a");
    add(&queue, "b");
    take(&queue).unwrap().failed("no such model").unwrap();
    assert_eq!(queue.list().unwrap()[0].state, EntryState::Failed { error: "no such model".into() });
    let next = take(&queue).unwrap();
    assert_eq!(next.entry.preset, "b");
    next.started().unwrap();
    assert!(matches!(queue.take_next().unwrap(), Next::Empty));
    assert_eq!(queue.remove(1).unwrap().name(), "a");
}

#[test]
fn nothing_is_taken_while_a_run_is_active_or_starting() {
    let (folder, queue) = runs();
    assert!(matches!(queue.take_next().unwrap(), Next::Empty));
    assert!(!folder.path().join(".queue").exists());
    add(&queue, "a");
    add(&queue, "b");
    let waits_for = || match queue.take_next().unwrap() {
        Next::Wait(names) => names,
        other => panic!("{other:?}"),
    };
    let run = RunFolder::create(folder.path(), Some("active"), "demo", "").unwrap();
    assert_eq!(waits_for(), ["active"]);
    drop(run);
    let taken = take(&queue).unwrap();
    assert_eq!(waits_for(), ["a"]);
    let run = RunFolder::create(folder.path(), Some("first"), "demo", "").unwrap();
    taken.started().unwrap();
    assert_eq!(waits_for(), ["first"]);
    drop(run);
    assert_eq!(take(&queue).unwrap().entry.preset, "b");
}

#[test]
fn of_many_that_take_at_once_each_gets_another_entry_and_one_at_a_time() {
    let (folder, queue) = runs();
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    for name in &names {
        add(&queue, name);
    }
    let (barrier, active) = (Barrier::new(4), std::sync::atomic::AtomicUsize::new(0));
    let worker = |number: usize| {
        // As separate processes do, each opens the files itself.
        let queue = Queue::of(folder.path());
        let mut started = Vec::new();
        barrier.wait();
        loop {
            match queue.take_next().unwrap() {
                Next::Empty => return started,
                Next::Wait(_) => thread::yield_now(),
                Next::Take(taken) => {
                    use std::sync::atomic::Ordering::SeqCst;
                    let run = format!("run-{number}-{}", taken.entry.preset);
                    let run = RunFolder::create(folder.path(), Some(&run), "demo", "").unwrap();
                    assert_eq!(active.fetch_add(1, SeqCst), 0, "two runs at once");
                    started.push(taken.entry.preset.clone());
                    taken.started().unwrap();
                    active.fetch_sub(1, SeqCst);
                    drop(run);
                }
            }
        }
    };
    let mut started: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|number| scope.spawn(move || worker(number))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    started.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(started, expected);
}

/// What is done to a queue; numbers are reduced to those that exist, and one more.
#[derive(Clone, Debug)]
enum Step {
    Add,
    Move(usize, QueueMove),
    Remove(usize),
    Start,
    Fail,
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop_oneof![Just(QueueMove::Up), Just(QueueMove::Down), (0usize..9).prop_map(QueueMove::To)];
    prop_oneof![
        3 => Just(Step::Add),
        3 => (0usize..9, to).prop_map(|(entry, to)| Step::Move(entry, to)),
        1 => (0usize..9).prop_map(Step::Remove),
        1 => Just(Step::Start),
        1 => Just(Step::Fail),
        1 => Just(Step::Abandon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_queue_behaves_as_a_list(steps in prop::collection::vec(step(), 0..30)) {
        let (_folder, queue) = runs();
        // Numbers, and whether their run failed to start.
        let mut model: Vec<(u64, bool)> = Vec::new();
        let mut next = 1;
        for step in steps {
            let first = model.iter().position(|(_, failed)| !failed);
            match step {
                Step::Add => {
                    prop_assert_eq!(add(&queue, "demo"), next);
                    model.push((next, false));
                    next += 1;
                }
                Step::Move(number, to) => {
                    let Some(&entry) = model.get(number) else {
                        prop_assert!(queue.move_entry(next + 1, to).is_err());
                        continue;
                    };
                    let place = match to {
                        QueueMove::Up => number.max(1) - 1,
                        QueueMove::Down => number + 1,
                        QueueMove::To(place) => place.max(1) - 1,
                    };
                    model.remove(number);
                    let place = place.min(model.len());
                    model.insert(place, entry);
                    prop_assert_eq!(queue.move_entry(entry.0, to).unwrap(), place + 1);
                }
                Step::Remove(number) => match model.get(number) {
                    Some(&(id, _)) => {
                        model.remove(number);
                        prop_assert_eq!(queue.remove(id).unwrap().id, id);
                    }
                    None => prop_assert!(queue.remove(next).is_err()),
                },
                Step::Start | Step::Fail | Step::Abandon => {
                    let taken = take(&queue);
                    prop_assert_eq!(taken.as_ref().map(|taken| taken.entry.id), first.map(|first| model[first].0));
                    let (Some(taken), Some(first)) = (taken, first) else { continue };
                    match step {
                        Step::Start => {
                            taken.started().unwrap();
                            model.remove(first);
                        }
                        Step::Fail => {
                            taken.failed("error").unwrap();
                            model[first].1 = true;
                        }
                        _ => drop(taken),
                    }
                }
            }
            let listed: Vec<(u64, bool)> = queue.list().unwrap().iter()
                .map(|entry| (entry.id, matches!(entry.state, EntryState::Failed { .. }))).collect();
            prop_assert_eq!(&listed, &model);
            prop_assert_eq!(queue.waiting().unwrap(), model.iter().filter(|(_, failed)| !failed).count());
        }
    }
}
