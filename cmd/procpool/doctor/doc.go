// Package doctor finds out what a system allows, what it costs there, and whether a pool works: the instrument behind "procpool doctor".
//
// A check has a name, a probe and a judge. The probe collects facts and decides nothing; the judge is a pure function of the facts, so that each judgement
// is tested with facts of systems that are not at hand. A probe is bounded and runs beside its caller: one that hangs or panics costs its own line.
//
// What is measured takes less than a second in all. The live part, which comes last, starts real pools.
package doctor
