//! Real and scripted parts that the tests, benchmarks and the quickstart stand on.
