// Package echarts is Apache ECharts, which draws the charts of "procpool bench --html" and of the page of package monitor. It is for programs, not for the core: see
// README.md for its version and licence.
package echarts

import _ "embed" // the script

// Script is the whole library, in JavaScript. In a page it defines the global echarts.
//
//go:embed echarts.common.min.js
var Script string
