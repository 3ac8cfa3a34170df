module frontlist.app/benchmarks/target

go 1.25
