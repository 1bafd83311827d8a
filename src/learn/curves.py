"""curves.png: loss, accuracy and flip ratio over the epochs of one stage."""

from src.files import replacing


def draw_curves(path, records, title):
    """Draw metrics records (train_loss, train_top1, top1, top5, flip_ratio per epoch) to a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [
        ("loss", (("train_loss", "training"),)),
        (
            "accuracy",
            (("train_top1", "training top-1"), ("top1", "validation top-1"), ("top5", "validation top-5")),
        ),
        ("flip ratio per epoch", (("flip_ratio", "binary weights"),)),
    ]
    epochs = [record["epoch"] for record in records]
    for axes, (label, lines) in zip(figure.subplots(1, len(panels)), panels):
        for key, name in lines:
            axes.plot(epochs, [record[key] for record in records], marker=".", label=name)
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
