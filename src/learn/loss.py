"""The distillation loss of Eq. 13 and its parts, as pure functions of logits and soft labels."""

from mindspore import ops


def smooth_labels(labels, amount):
    """(1 - amount) labels + amount / K: (B, K) -> (B, K)."""
    return labels * (1 - amount) + amount / labels.shape[1]


def cross_entropy(logits, labels):
    """CE with soft labels, mean over the batch: -sum_k labels log softmax(logits), (B, K) -> scalar."""
    return -ops.mean(ops.ReduceSum()(labels * ops.log_softmax(logits, -1), 1))


def kl_divergence(teacher_logits, student_logits):
    """KL(teacher || student) = sum_k p_t (log p_t - log p_s), mean over the batch, temperature 1.

    The gradient goes through the student only.
    """
    log_teacher = ops.stop_gradient(ops.log_softmax(teacher_logits, -1))
    log_student = ops.log_softmax(student_logits, -1)
    return ops.mean(ops.ReduceSum()(ops.exp(log_teacher) * (log_teacher - log_student), 1))


def distillation_loss(student_logits, labels, teacher_logits, alpha):
    """Eq. 13: alpha KL(teacher || student) + (1 - alpha) CE(student, labels)."""
    return alpha * kl_divergence(teacher_logits, student_logits) + (1 - alpha) * cross_entropy(
        student_logits, labels
    )
