"""``menshen bench``: one sub-command per file of this folder, each printing the machine too."""

from __future__ import annotations

import typer

from tests.bench import (
    alerts,
    chaos,
    curves,
    delivery,
    edge,
    edge_recall,
    edge_soak,
    faces,
    fuzz,
    inference,
    pairs,
    plates,
    shots,
    storm,
    tracks,
    web,
)

app = typer.Typer(no_args_is_help=True)
app.command("faces", epilog="Example: menshen bench faces --data ../shared/eval/faces --json")(
    faces.bench
)
app.command("pairs", epilog="Example: menshen bench pairs --data ../shared/eval/face_pairs --json")(
    pairs.bench
)
app.command("shots", epilog="Example: menshen bench shots --data ../shared/eval/face_pairs --json")(
    shots.bench
)
app.command(
    "plates", epilog="Example: menshen bench plates --scenes ../shared/eval/plate_street --json"
)(plates.bench)
app.command("tracks", epilog="Example: menshen bench tracks --data ../shared/eval/plate_scenes")(
    tracks.bench
)
app.command("inference", epilog="Example: menshen bench inference --repeat 50 --json")(
    inference.bench
)
app.command(
    "curves",
    epilog="Example: menshen bench curves --data ../shared/eval/plate_scenes --out docs/img",
)(curves.bench)
app.command(
    "delivery",
    epilog="Example: menshen bench delivery --nodes 151 --rate 1840 --seconds 60 --json",
)(delivery.bench)
app.command(
    "edge",
    epilog="Example: menshen bench edge --clip ../shared/eval/clips/car-detection.mp4 --cameras 4 "
    "--activity 0.1 --json",
)(edge.bench)
app.command(
    "edge-soak",
    epilog="Example: menshen bench edge-soak --clip ../shared/eval/clips/car-detection.mp4 "
    "--cameras 40 --activity 0.1 --seconds 600 --json",
)(edge_soak.bench)
app.command(
    "edge-recall", epilog="Example: menshen bench edge-recall --clips ../shared/eval/clips --json"
)(edge_recall.bench)
app.command("chaos", epilog="Example: menshen bench chaos --kills 100 --json")(chaos.bench)
app.command("fuzz", epilog="Example: menshen bench fuzz --messages 90000 --requests 10000 --json")(
    fuzz.bench
)
app.command(
    "alerts",
    epilog="Example: menshen bench alerts --database postgresql --rate 184 --seconds 20 --json",
)(alerts.bench)
app.command(
    "web", epilog="Example: menshen bench web --viewers 300 --rate 184 --seconds 30 --json"
)(web.bench)
app.command("storm", epilog="Example: menshen bench storm --alerts 10000 --seconds 60 --json")(
    storm.bench
)
