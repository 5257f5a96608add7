//! A row for every case of the rule, then the promises over random histories.
