import { fetchAgain } from "./again.js";
import { drawCharts } from "./chart.js";
import { followDrafts } from "./drafts.js";
import { followScans } from "./live.js";
import { enableMap } from "./map.js";
import { enableMenus, enableCopying } from "./menus.js";
import { enablePickers } from "./pickers.js";
import { enableThemeToggle } from "./theme.js";

enableThemeToggle();
enableMenus();
enableCopying();
enablePickers();
enableMap();
drawCharts();
followScans();
followDrafts();
fetchAgain();
