"""Repeatable benchmarks against other tools and against what the links allow: 'make bench', see docs/performance.md."""
