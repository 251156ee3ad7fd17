// The world map: Natural Earth 110m, projected once here so that neither Python nor the browser has to.

import { readFile } from "node:fs/promises";
import { geoEqualEarth, geoPath } from "d3-geo";
import { merge } from "topojson-client";

const WIDTH = 960;

// ISO 3166-1 numeric -> alpha-2 for every country Natural Earth draws at this scale, Antarctica left out.
const ALPHA2 = Object.fromEntries(
  `004AF 008AL 012DZ 024AO 031AZ 032AR 036AU 040AT 044BS 050BD 051AM 056BE 064BT 068BO 070BA 072BW 076BR 084BZ 090SB
   096BN 100BG 104MM 108BI 112BY 116KH 120CM 124CA 140CF 144LK 148TD 152CL 156CN 158TW 170CO 178CG 180CD 188CR 191HR
   192CU 196CY 203CZ 204BJ 208DK 214DO 218EC 222SV 226GQ 231ET 232ER 233EE 238FK 242FJ 246FI 250FR 260TF 262DJ 266GA
   268GE 270GM 275PS 276DE 288GH 300GR 304GL 320GT 324GN 328GY 332HT 340HN 348HU 352IS 356IN 360ID 364IR 368IQ 372IE
   376IL 380IT 384CI 388JM 392JP 398KZ 400JO 404KE 408KP 410KR 414KW 417KG 418LA 422LB 426LS 428LV 430LR 434LY 440LT
   442LU 450MG 454MW 458MY 466ML 478MR 484MX 496MN 498MD 499ME 504MA 508MZ 512OM 516NA 524NP 528NL 540NC 548VU 554NZ
   558NI 562NE 566NG 578NO 586PK 591PA 598PG 600PY 604PE 608PH 616PL 620PT 624GW 626TL 630PR 634QA 642RO 643RU 646RW
   682SA 686SN 688RS 694SL 703SK 704VN 705SI 706SO 710ZA 716ZW 724ES 728SS 729SD 732EH 740SR 748SZ 752SE 756CH 760SY
   762TJ 764TH 768TG 780TT 784AE 788TN 792TR 795TM 800UG 804UA 807MK 818EG 826GB 834TZ 840US 854BF 858UY 860UZ 862VE
   887YE 894ZM`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, 3), entry.slice(3)]),
);

// Shapes without a number. Place databases answer CY and SO for two of them, so they are drawn as part of those.
const BY_NAME = { Kosovo: "XK", "N. Cyprus": "CY", Somaliland: "SO" };
const ANTARCTICA = "010";

export async function worldMap() {
  const atlas = JSON.parse(await readFile(new URL(import.meta.resolve("world-atlas/countries-110m.json"))));
  const shapes = shapesByCountry(atlas.objects.countries.geometries);
  const land = [...shapes].map(([id, geometries]) => ({ id, geometry: merge(atlas, geometries) }));
  const everything = { type: "GeometryCollection", geometries: land.map((country) => country.geometry) };
  const projection = geoEqualEarth().fitWidth(WIDTH, everything);
  const path = geoPath(projection).digits(0);
  const names = new Intl.DisplayNames("en", { type: "region" });
  const [x, y] = projection.translate();
  return {
    width: WIDTH,
    height: Math.ceil(path.bounds(everything)[1][1]),
    projection: { scale: round(projection.scale()), x: round(x), y: round(y) },
    countries: land
      .map(({ id, geometry }) => ({ id, name: names.of(id), d: path(geometry) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

function shapesByCountry(geometries) {
  const shapes = new Map();
  for (const geometry of geometries) {
    if (geometry.id === ANTARCTICA) continue;
    const id = ALPHA2[geometry.id] ?? BY_NAME[geometry.properties.name];
    if (!id) throw new Error(`world-atlas draws "${geometry.properties.name}" (${geometry.id}), which has no code here`);
    shapes.set(id, [...(shapes.get(id) ?? []), geometry]);
  }
  return shapes;
}

const round = (value) => Math.round(value * 1000) / 1000;
