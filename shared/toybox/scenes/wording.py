"""How people say what is in a scene: several wordings for every fact, none that could mean another fact."""

COLOR_WORDS = {
    "red": ("red", "bright red", "scarlet"),
    "green": ("green", "bright green"),
    "blue": ("blue", "bright blue"),
    "yellow": ("yellow", "bright yellow"),
    "purple": ("purple", "violet"),
    "orange": ("orange", "bright orange"),
    "white": ("white", "snow-white"),
    "cyan": ("cyan", "turquoise"),
}
SHAPE_WORDS = {
    "circle": ("circle", "ball", "disc", "disk"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "triangular shape"),
    "star": ("star", "five-pointed star"),
    "ring": ("ring", "doughnut", "donut", "hoop"),
    "cross": ("cross", "plus sign", "plus"),
}
MATERIAL_WORDS = {
    "wood": ("wooden", "wood"),
    "metal": ("metal", "metallic", "steel"),
    "rubber": ("rubber", "rubbery"),
    "glass": ("glass", "glassy"),
    "stone": ("stone", "stony"),
}
BACKGROUND_WORDS = {
    "black": ("black", "pitch-black", "jet-black"),
    "gray": ("gray", "grey"),
    "forest green": ("forest green", "dark green", "deep green"),
    "navy": ("navy", "dark blue", "navy blue", "deep blue"),
    "brown": ("brown", "chocolate brown"),
    "sand": ("sand", "sandy", "beige", "sand-colored"),
}
TEXTURE_WORDS = {
    "checkered": ("checkered", "checked", "chequered"),
    "spotted": ("spotted", "dotted", "speckled"),
    "cloudy": ("cloudy", "mottled", "marbled"),
}
PLAIN_GROUND_WORDS = ("", "", "", "plain", "solid", "uniform")
"""What may be said of a background without texture."""

GROUND_NOUNS = ("background", "backdrop", "wall", "surface", "ground")
PLACES = ("on", "over", "against", "in front of", "across")

HEADING_VERBS = (
    ("moves", "moving"),
    ("slides", "sliding"),
    ("glides", "gliding"),
    ("drifts", "drifting"),
    ("travels", "traveling"),
    ("heads", "heading"),
    ("goes", "going"),
)
HEADING_WORDS = {
    "left": ("left", "to the left", "leftwards", "leftward", "towards the left"),
    "right": ("right", "to the right", "rightwards", "rightward", "towards the right"),
    "up": ("up", "upwards", "upward", "to the top"),
    "down": ("down", "downwards", "downward", "to the bottom"),
}
MOTION_WORDS = {
    "left": (),
    "right": (),
    "up": (("rises", "rising"), ("floats up", "floating up"), ("climbs", "climbing")),
    "down": (("sinks", "sinking"), ("falls", "falling"), ("descends", "descending")),
    "bounce": (
        ("bounces", "bouncing"),
        ("bounces up and down", "bouncing up and down"),
        ("keeps bouncing", "that keeps bouncing"),
        ("hops", "hopping"),
    ),
    "spin": (
        ("spins", "spinning"),
        ("spins in place", "spinning in place"),
        ("rotates", "rotating"),
        ("turns around itself", "turning around itself"),
    ),
    "grow": (
        ("grows", "growing"),
        ("gets bigger", "getting bigger"),
        ("becomes larger", "becoming larger"),
        ("expands", "expanding"),
    ),
    "shrink": (
        ("shrinks", "shrinking"),
        ("gets smaller", "getting smaller"),
        ("becomes smaller", "becoming smaller"),
    ),
    "orbit": (
        ("orbits", "orbiting"),
        ("moves in a circle", "moving in a circle"),
        ("goes round in circles", "going round in circles"),
        ("circles around", "circling around"),
    ),
}
"""(present, participle) of each motion, beside the heading verbs; the first is the plain form."""

CAMERA_WORDS = {
    "static": ("the camera is static", "the camera stands still", "static shot", "fixed camera"),
    "pan left": ("the camera pans left", "the camera pans to the left", "pan left", "the view pans left"),
    "pan right": (
        "the camera pans right",
        "the camera pans to the right",
        "pan right",
        "the view pans right",
    ),
    "pan up": ("the camera pans up", "the camera pans upwards", "pan up", "the view pans up"),
    "pan down": ("the camera pans down", "the camera pans downwards", "pan down", "the view pans down"),
    "zoom in": ("the camera zooms in", "the view zooms in", "zoom in", "the camera is zooming in"),
    "zoom out": ("the camera zooms out", "the view zooms out", "zoom out", "the camera is zooming out"),
}
"""The first is the plain form."""

SENTENCES = (
    "{moves} {place}",
    "{moves} {place}",
    "{moves} {place}",
    "{moving} {place}",
    "{is_moving} {place}",
    "{place}, {moves}",
    "{place} {moves}",
    "{place}, {is_moving}",
    "{moves}. the background is {ground}",
    "the background is {ground}. {moves}",
    "{wall}, {moving}",
    "a video of {moving} {place}",
    "a clip of {moving} {place}",
    "an animation that shows {moving} {place}",
    "we see {moving} {place}",
    "there is {moving} {place}",
)
STILL_SENTENCES = (
    "{things} {place}",
    "{things} {place}",
    "{things} {place}",
    "{place}, {things}",
    "a picture of {things} {place}",
    "an image of {things} {place}",
    "a drawing of {things} {place}",
    "there is {things} {place}",
    "we see {things} {place}",
    "{things}. the background is {ground}",
    "the background is {ground}. {things}",
)
JOINTS = {
    "moves": (" and ", ", while ", " as "),
    "moving": (" and ", " next to ", " with "),
    "things": (" and ", " with "),
}
CAMERA_JOINTS = (", ", ". ", ", and ")

STYLES = (
    "flat cartoon",
    "simple 2D animation",
    "minimal motion graphics",
    "clean vector graphics",
    "geometric animation",
)
SHOTS = ("full shot", "frontal full shot", "eye-level full shot")
LIGHTING = {
    "black": ("dark scene, lit object", "low-key lighting"),
    "gray": ("even lighting", "soft neutral light"),
    "forest green": ("dim even lighting", "subdued light"),
    "navy": ("dim even lighting", "night-like light"),
    "brown": ("warm dim lighting", "subdued warm light"),
    "sand": ("bright warm lighting", "daylight"),
}
ATMOSPHERES = {
    "left": ("calm", "quiet"),
    "right": ("calm", "quiet"),
    "up": ("light", "uplifting"),
    "down": ("calm", "heavy"),
    "bounce": ("playful", "cheerful"),
    "spin": ("lively", "hypnotic"),
    "grow": ("bold", "dramatic"),
    "shrink": ("quiet", "fading"),
    "orbit": ("hypnotic", "playful"),
}
LABELS = {
    "short": ("short description", "summary"),
    "dense": ("dense description", "description"),
    "background": ("background",),
    "style": ("style",),
    "shot": ("shot type", "shot"),
    "lighting": ("lighting",),
    "atmosphere": ("atmosphere", "mood"),
    "camera": ("camera", "camera movement"),
}
"""Names of the parts of a structured caption (paper, section 3.2)."""
