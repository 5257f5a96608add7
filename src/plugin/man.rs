//! `man`: writes the man pages, one per command.

use clap::CommandFactory as _;

use crate::plugin::problem::Problem;

use super::args::{ManArgs, Plugin};
use super::output;

/// Runs the command.
pub(super) fn run(args: &ManArgs) -> Result<u8, Problem> {
    let folder = &args.folder;
    let failed = |error: std::io::Error| {
        Problem::new(format!("{} cannot be written: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Pages are named after the program: kubectl-oauthclient-status.1.
    let command = Plugin::command().bin_name("kubectl-oauthclient");
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    let count = std::fs::read_dir(folder).map_err(failed)?.count();
    output::line(&format!(
        "{} has {count} pages: man {}/kubectl-oauthclient.1",
        folder.display(),
        folder.display()
    ));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("man");
        run(&ManArgs {
            folder: pages.clone(),
        })
        .unwrap();
        for name in ["", "-status", "-credentials-create", "-dashboard"] {
            let page = pages.join(format!("kubectl-oauthclient{name}.1"));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.contains(".SH"), "{}", page.display());
        }
    }
}
